/* International domain names (RFC 5891): what is looked up, named in TLS and SMTP, written into a
 * composed header and compared with a certificate is their ASCII form. */
#pragma once

#define DOMAIN_ASCII_MAX 255 /* bytes of a name that was converted */

/* "bücher.example" becomes "xn--bcher-kva.example"; a name in ASCII, or an address, stays as it is.
 * Caller frees. 0; -EINVAL: a domain cannot be called that; -ELIBACC: it is not known, for libidn2
 * is not installed; -ENOMEM. */
int domain_to_ascii(const char *domain, char **ret);

/* The address with its domain in ASCII, by which mailboxes are compared (text_equal_mailbox()): "a"
 * at "bücher.example" is the same as at "xn--bcher-kva.example". NULL where the domain is ASCII
 * already or cannot be converted: it is compared as it stands. Caller frees. 0 or -ENOMEM. */
int address_to_ascii_domain(const char *address, char **ret);

/* What the two say of a name, to stand behind it, and what to do. */
const char *domain_trouble(int error);
