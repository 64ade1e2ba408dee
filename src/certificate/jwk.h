/* JSON Web Keys (RFC 7517, RFC 7518, RFC 8037): RSA, EC and OKP, alone or a set of them, with their
 * certificates (x5c). */
#pragma once

#include "certificate/bag.h"

bool jwk_is(Bytes data);

/* Into the bag. 0, or a negative errno with a Failure. */
int jwk_read(Bytes data, Bag *bag, Failure *f);
