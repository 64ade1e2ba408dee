/* Keys in XML. Must never know more of XML than elements and their text: no entity, no document
 * type, nothing that has it read another file or become larger than it is. */
#include "certificate/xml.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "certificate/limits.h"
#include "certificate/numbers.h"

enum { MODULUS, EXPONENT, D, P, Q, N_NUMBERS };

static const char *const number_names[N_NUMBERS] = {"Modulus", "Exponent", "D", "P", "Q"};

typedef struct Xml {
    const char *at, *end;
    Octets numbers[N_NUMBERS];
    bool in_key; /* within RSAKeyValue */
} Xml;

static void xml_done(Xml *xml)
{
    for (size_t i = 0; i < N_NUMBERS; i++)
        octets_done(&xml->numbers[i]);
}

static int damaged(Failure *f)
{
    return bag_damaged(f, "key in XML (RSAKeyValue)");
}

static bool at_text(const Xml *xml, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(xml->end - xml->at) >= n && memcmp(xml->at, text, n) == 0;
}

/* Goes behind the next `text`. */
static bool skip_behind(Xml *xml, const char *text)
{
    const char *found = memmem(xml->at, (size_t)(xml->end - xml->at), text, strlen(text));

    if (!found)
        return false;
    xml->at = found + strlen(text);
    return true;
}

/* A tag's name, without its name space; `is_end` of "</Name>". */
typedef struct Tag {
    Bytes name;
    bool is_end;
} Tag;

/* The next tag; 0 where there is none. Comments and instructions are skipped. */
static int next_tag(Xml *xml, Tag *ret, Failure *f)
{
    const char *name, *colon;
    size_t n;

    while (skip_behind(xml, "<")) {
        if (at_text(xml, "?") || at_text(xml, "!--")) {
            if (!skip_behind(xml, at_text(xml, "?") ? "?>" : "-->"))
                return damaged(f);
            continue;
        }
        if (at_text(xml, "!"))
            return bag_refused(f, "its XML has a document type or a CDATA section, which no key "
                                  "needs; take it out");
        ret->is_end = at_text(xml, "/");
        name = xml->at + (ret->is_end ? 1 : 0);
        for (n = 0; name + n < xml->end && !strchr(" \t\r\n/>", name[n]); n++)
            ;
        if (!skip_behind(xml, ">"))
            return damaged(f);
        colon = memchr(name, ':', n);
        if (colon) {
            n -= (size_t)(colon + 1 - name);
            name = colon + 1;
        }
        ret->name = (Bytes){(const unsigned char *)name, n};
        return 1;
    }
    return 0;
}

static bool is(const Tag *tag, const char *name)
{
    return tag->name.n == strlen(name) && memcmp(tag->name.data, name, tag->name.n) == 0;
}

/* The text up to the next tag, which must be base64. */
static int take_base64(const Xml *xml, Octets *ret, Failure *f)
{
    const char *end = memchr(xml->at, '<', (size_t)(xml->end - xml->at));
    int r;

    if (!end || ret->data)
        return damaged(f);
    r = octets_from_base64(xml->at, (size_t)(end - xml->at), false, ret);
    return r == -EINVAL ? damaged(f) : r;
}

static int add_certificate(const Xml *xml, Bag *bag, Failure *f)
{
    _cleanup_octets_ Octets der = {0};
    const unsigned char *p;
    X509 *certificate;
    int r = take_base64(xml, &der, f);

    if (r < 0)
        return r;
    p = der.data;
    certificate = d2i_X509(NULL, &p, (long)der.n);
    return certificate ? bag_add_certificate(bag, certificate, f) : damaged(f);
}

static int add_key(Xml *xml, Bag *bag, Failure *f)
{
    const Octets *numbers = xml->numbers;
    const RsaNumbers rsa = {octets_bytes(&numbers[MODULUS]), octets_bytes(&numbers[EXPONENT]),
        octets_bytes(&numbers[D]), octets_bytes(&numbers[P]), octets_bytes(&numbers[Q])};
    EVP_PKEY *key = NULL;
    int r = numbers_rsa(&rsa, &key, f);

    if (r >= 0)
        r = rsa.d.n > 0 ? bag_add_proved_key(bag, key, f) : bag_add_key(bag, key, false, f);
    xml_done(xml);
    return r;
}

static int take_tag(Xml *xml, const Tag *tag, Bag *bag, Failure *f)
{
    if (tag->is_end && is(tag, "RSAKeyValue")) {
        if (!xml->in_key)
            return damaged(f);
        xml->in_key = false;
        return add_key(xml, bag, f);
    }
    if (tag->is_end)
        return 0;
    if (is(tag, "RSAKeyValue")) {
        xml_done(xml);
        xml->in_key = true;
    }
    if (is(tag, "X509Certificate"))
        return add_certificate(xml, bag, f);
    if (is(tag, "DSAKeyValue"))
        return bag_refused(f, "its key is one of DSA, which no TLS server takes; use another");
    for (size_t i = 0; xml->in_key && i < N_NUMBERS; i++)
        if (is(tag, number_names[i]))
            return take_base64(xml, &xml->numbers[i], f);
    return 0;
}

bool xml_is(Bytes data)
{
    size_t i = 0;

    if (data.n >= 3 && memcmp(data.data, "\xef\xbb\xbf", 3) == 0)
        i = 3;
    while (i < data.n && strchr(" \t\r\n", data.data[i]) && data.data[i] != '\0')
        i++;
    return i < data.n && data.data[i] == '<';
}

int xml_read(Bytes data, Bag *bag, Failure *f)
{
    const char *start = (const char *)data.data;
    _cleanup_(xml_done) Xml xml = {.at = start, .end = start + data.n};
    size_t before = bag->n_keys + (size_t)sk_X509_num(bag->certificates);
    Tag tag;
    int r;

    while ((r = next_tag(&xml, &tag, f)) > 0) {
        r = take_tag(&xml, &tag, bag, f);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    return !xml.in_key && bag->n_keys + (size_t)sk_X509_num(bag->certificates) > before
               ? 0
               : damaged(f);
}
