"""Layout of reports, for any recipe.

markdown   tables and numbers
history    history.csv, written and read
run_facts  how runs came about, as a table
curves     learning curves over a whole run, PTL's stages shaded
templates  Jinja2 templates, with one set of rules
"""
