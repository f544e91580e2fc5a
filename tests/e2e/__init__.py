"""A package, so that what is made for these tests (the browser above all) ends with the last."""
