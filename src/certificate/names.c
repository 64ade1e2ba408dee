/* Names in certificates. Must never pass on a control character, or a NUL by which one name looks
 * like another. */
#include "certificate/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"

/* The component's short names; of others OpenSSL's, or the OID. */
static int append_type(const ASN1_OBJECT *object, Buffer *out)
{
    int kind = OBJ_obj2nid(object);
    char oid[128];

    if (kind == NID_stateOrProvinceName)
        return buffer_append_string(out, "S");
    if (kind == NID_pkcs9_emailAddress)
        return buffer_append_string(out, "E");
    if (kind != NID_undef)
        return buffer_append_string(out, OBJ_nid2sn(kind));
    if (OBJ_obj2txt(oid, sizeof(oid), object, 1) <= 0)
        snprintf(oid, sizeof(oid), "?");
    return buffer_append_string(out, oid);
}

/* Controls and what is no UTF-8 as \XX (RFC 4514, 2.4), quotes twice within quotes. */
static int append_text(const char *text, size_t n, bool in_quotes, Buffer *out)
{
    int r = 0;

    while (n > 0 && r >= 0) {
        size_t size = text_character(text, n);
        unsigned char c = (unsigned char)*text;

        if (size == 0 || c < ' ' || c == 0x7f)
            r = buffer_appendf(out, "\\%02X", c);
        else if (c == '"' && in_quotes)
            r = buffer_append_string(out, "\"\"");
        else
            r = buffer_append(out, text, size);
        size = MAX(size, (size_t)1);
        text += size;
        n -= size;
    }
    return r;
}

static bool needs_quotes(const char *text, size_t n)
{
    if (n > 0 && (text[0] == ' ' || text[n - 1] == ' '))
        return true;
    for (size_t i = 0; i < n; i++)
        if (text[i] != '\0' && strchr(",+=\"<>;#", text[i]))
            return true;
    return false;
}

static int append_value(const ASN1_STRING *value, Buffer *out)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, value), r;
    const char *text = n < 0 ? (const char *)ASN1_STRING_get0_data(value) : (const char *)utf8;
    size_t size = (size_t)(n < 0 ? ASN1_STRING_length(value) : n);
    bool quotes = needs_quotes(text, size);

    r = quotes ? buffer_append_string(out, "\"") : 0;
    if (r >= 0)
        r = append_text(text, size, quotes, out);
    if (r >= 0 && quotes)
        r = buffer_append_string(out, "\"");
    OPENSSL_free(utf8);
    return r;
}

static int append_entry(const X509_NAME_ENTRY *entry, const char *before, Buffer *out)
{
    return buffer_append_string(out, before)
               ?: append_type(X509_NAME_ENTRY_get_object(entry), out)
                      ?: buffer_append_string(out, "=")
                             ?: append_value(X509_NAME_ENTRY_get_data(entry), out);
}

/* The entries of one part, [first, end). */
static int append_part(const X509_NAME *name, int first, int end, bool is_first, Buffer *out)
{
    int r = 0;

    for (int i = first; i < end && r >= 0; i++)
        r = append_entry(X509_NAME_get_entry(name, i),
            i > first  ? " + "
            : is_first ? ""
                       : ", ",
            out);
    return r;
}

int names_format(const X509_NAME *name, bool in_order, Buffer *out)
{
    int n = X509_NAME_entry_count(name), r = 0;

    for (int done = 0, size; done < n && r >= 0; done += size) {
        int at = in_order ? done : n - done - 1;
        int set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, at));
        int first = at, end = at + 1;

        while (end < n && X509_NAME_ENTRY_set(X509_NAME_get_entry(name, end)) == set)
            end++;
        while (first > 0 && X509_NAME_ENTRY_set(X509_NAME_get_entry(name, first - 1)) == set)
            first--;
        size = end - first;
        r = append_part(name, first, end, done == 0, out);
    }
    return r;
}

static int append_address(const ASN1_OCTET_STRING *address, Buffer *out)
{
    char text[INET6_ADDRSTRLEN];
    int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;

    if (ASN1_STRING_length(address) != 4 && ASN1_STRING_length(address) != 16)
        return buffer_append_string(out, "?");
    return buffer_append_string(
        out, inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof(text)) ?: "?");
}

static int append_alternative(const GENERAL_NAME *name, Buffer *out)
{
    char oid[128];

    switch (name->type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
        return append_text((const char *)ASN1_STRING_get0_data(name->d.ia5),
            (size_t)ASN1_STRING_length(name->d.ia5), false, out);
    case GEN_IPADD: return append_address(name->d.iPAddress, out);
    case GEN_DIRNAME: return names_format(name->d.directoryName, false, out);
    case GEN_RID:
        if (OBJ_obj2txt(oid, sizeof(oid), name->d.registeredID, 1) <= 0)
            return 0;
        return buffer_append_string(out, oid);
    case GEN_OTHERNAME:
        if (OBJ_obj2txt(oid, sizeof(oid), name->d.otherName->type_id, 1) <= 0)
            return 0;
        if (name->d.otherName->value->type != V_ASN1_UTF8STRING)
            return buffer_append_string(out, oid);
        return append_text(
            (const char *)ASN1_STRING_get0_data(name->d.otherName->value->value.utf8string),
            (size_t)ASN1_STRING_length(name->d.otherName->value->value.utf8string), false, out);
    default: return 0;
    }
}

int names_format_alternative(const X509 *certificate, Buffer *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int r = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && r >= 0; i++) {
        r = i > 0 ? buffer_append_string(out, ",") : 0;
        if (r >= 0)
            r = append_alternative(sk_GENERAL_NAME_value(names, i), out);
    }
    GENERAL_NAMES_free(names);
    return r;
}
