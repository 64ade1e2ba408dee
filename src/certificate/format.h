/* A store's content, whatever it is: which format, and who reads it. */
#pragma once

#include "certificate/bag.h"
#include "certificate/certificate.h"

/* Reads bytes of a store of a given type, or CERTIFICATE_AUTO, into the bag. `ret_type`: which it
 * was, as the number of a file. 0, or a negative errno with a Failure. */
int format_read(
    Bytes data, CertificateStoreType type, Bag *bag, CertificateStoreType *ret_type, Failure *f);

/* Whether it begins as any of them. */
bool format_is_known(Bytes data);
