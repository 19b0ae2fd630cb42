"""The playground: a training run to play with in the browser. Needs the extra `play`.

`Session` trains and needs no browser, `app` puts it on the web, `command` starts that.
"""
