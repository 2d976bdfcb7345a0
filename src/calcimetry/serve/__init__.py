"""Services over HTTP: what every one of them does with requests (`http`), how they listen
(`server`), and the services themselves (`cds`). Rooms below compute and know no HTTP.

Needs the extra `clinic` (starlette, uvicorn), which is imported when a service starts.
"""
