/* PuTTY's private keys (PuTTY's manual, appendix C), versions 2 and 3. */
#pragma once

#include "certificate/bag.h"

/* Whether it begins as one, of any version. */
bool ppk_is(Bytes data);

/* Into the bag. 0, or a negative errno with a Failure. */
int ppk_read(Bytes data, Bag *bag, Failure *f);
