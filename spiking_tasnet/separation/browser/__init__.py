"""The page that separates a recording in the browser: one HTML file with runtime and model inside.

write          puts it together
page.html.j2   what it shows; page.css
main/          scripts of the page: sound files and microphone, pictures, the page itself
worker/        scripts of the worker, which computes everything, on the runtime in WebAssembly
"""
