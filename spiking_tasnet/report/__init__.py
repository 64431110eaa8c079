"""Layout of reports, for any recipe.

markdown   tables and numbers
run_facts  how runs came about, as a table
curves     learning curves over a whole run, PTL's stages shaded
"""
