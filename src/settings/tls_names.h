/* The names that TLS settings are made of, and what is wrong with others. All text is static unless
 * it says otherwise. */
#pragma once

#include "base/buffer.h"
#include "settings/relay.h"
#include "settings/table.h"

/* First IANA's names, then the component's and OpenSSL's. */
extern const SettingChoice tls12_group_choices[], tls13_group_choices[];
extern const SettingChoice tls12_signature_choices[], tls13_signature_choices[];

/* Bits are the TLS_SECURITY_* of settings/relay.h. */
extern const SettingChoice tls_security_choices[];

#define SETTING_WORD_MAX 64

/* Flags by their words, or as a number (decimal, or hexadecimal behind 0x). 0, with what is wrong
 * in *ret_trouble, or NULL there; the caller frees. -ENOMEM. */
int setting_flags_parse(
    const SettingChoice *choices, const char *text, unsigned *ret, char **ret_trouble);
int setting_flags_format(const SettingChoice *choices, unsigned flags, Buffer *out);

/* The nearest of the words, as it is told; "" where none is near. */
void setting_word_meant(
    const SettingChoice *choices, const char *word, char ret[static SETTING_WORD_MAX]);

/* "names "X", which is none of them; did you mean "Y"?". Caller frees. 0 or -ENOMEM. */
int setting_word_trouble(const SettingChoice *choices, const char *word, char **ret);

/* Between the names of tls_ciphers: not '+', which is part of OpenSSL's own language. */
#define TLS_CIPHER_SEPARATORS " \t,:;"

/* Whether every name in a list of cipher suites is IANA's or OpenSSL's, or one of OpenSSL's words
 * for several of them. 0, with what is wrong in *ret_trouble, or NULL there; the caller frees.
 * -ENOMEM. */
int tls_ciphers_check(const char *text, char **ret_trouble);
