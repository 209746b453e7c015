"""One exchange: the request, its body, the response."""
