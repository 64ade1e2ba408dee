/* Choices of the table of settings that are long. */
#include "settings/table_choices.h"

/* What smtp/capabilities.h knows; anything else that a relay offers is not used anyway. */
const SettingChoice settings_ehlo_choices[] = {
    {"PIPELINING"},
    {"CHUNKING"},
    {"8BITMIME"},
    {"SMTPUTF8"},
    {"SIZE"},
    {"ENHANCEDSTATUSCODES"},
    {"DSN"},
    {"STARTTLS"},
    {"AUTH"},
    {"BINARYMIME"},
    {"DELIVERBY"},
    {"MT-PRIORITY"},
    {"REQUIRETLS"},
    {"LIMITS"},
    {"VRFY"},
    {"FUTURERELEASE"},
    {"SEND"},
    {"SOML"},
    {"SAML"},
    {NULL},
};
