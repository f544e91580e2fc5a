"""Cases from the field: small inputs of a kind each, played as they were reported."""
