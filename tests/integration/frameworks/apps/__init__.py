"""One small app for each framework, as its users write them: JSON in, JSON out.

None of them knows this package, ``fastapi_typed`` aside, whose models have its array field. Each
module has an ``app`` with the same routes:

| route | what it does |
|---|---|
| ``POST /invoice`` | ``{customer, paid, lines: [{item, price, count}]}``, response: a total |
| ``POST /checksum`` | ``{name, content}`` with base64, response: its size, hash and reverse |
| ``POST /normalize`` | ``{rate, samples}`` with an array, response: the peak and an array |
| ``GET /release`` | a document |
| ``GET /latest`` | a redirect to it |
| ``POST /reserve`` | ``{week}``, response: the framework's own error for 409 |
| ``GET /crash`` | an exception that nobody handles |
| ``GET /picture`` | a file |
| ``GET /events``, ``POST /events`` | server-sent events, and one more for all who listen |
| ``GET /uploads``, ``POST /uploads`` | the sizes of all bodies that were read |
"""
