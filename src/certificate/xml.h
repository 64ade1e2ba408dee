/* Keys and certificates in XML, as signatures have them (XML Signature, 4.5): RSAKeyValue, whose
 * private form is .NET's, and X509Certificate. */
#pragma once

#include "certificate/bag.h"

bool xml_is(Bytes data);

/* Into the bag. 0, or a negative errno with a Failure. */
int xml_read(Bytes data, Bag *bag, Failure *f);
