/* Stores: where the bytes come from. */
#pragma once

#include "certificate/internal.h"

/* Reads all that a store has into the bag, and notes in `certificate` what it was. 0, -ENOMEM, or a
 * negative errno with a Failure that names it. `ret_skipped`: of a directory, a sentence on what in
 * it could not be read, or NULL; the caller's. */
int store_read(const CertificateSource *source, Bag *bag, Certificate *certificate,
    char **ret_skipped, Failure *f);
