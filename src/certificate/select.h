/* Which of what a store holds is wanted. */
#pragma once

#include "certificate/internal.h"

/* Puts certificate, key and chain into `certificate`. 0, -ENOMEM, or -ENOENT and another negative
 * errno with a Failure: ERROR_CERTIFICATE_NOT_FOUND. */
int select_certificate(
    const Bag *bag, const CertificateSource *source, Certificate *certificate, Failure *f);
