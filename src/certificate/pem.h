/* PEM (RFC 7468, RFC 1421): keys, certificates and stores between lines of dashes. */
#pragma once

#include "certificate/bag.h"

bool pem_is(Bytes data);

/* Into the bag. 0, or a negative errno with a Failure. */
int pem_read(Bytes data, Bag *bag, Failure *f);
