/* Proxies that tell what they were told. Must never leave a secret of theirs in what is shown. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mask.h"
#include "base/text.h"
#include "proxy/dialogue_internal.h"

/* USER:PASSWORD in base64, as it is said to a proxy (RFC 7617), into the buffer; nothing where
 * there is no password. 0 or -ENOMEM. */
static int encode_login(const ProxyOptions *o, Buffer *encoded)
{
    Buffer pair = {0};
    size_t n;
    int r;

    if (!o->user || !o->password)
        return 0;
    n = strlen(o->user) + 1 + secret_size(o->password);
    r = proxy_reserve(&pair, n) ?: proxy_reserve(encoded, encode_base64_size(n) + 1);
    r = r ?: buffer_append_string(&pair, o->user)
              ?: buffer_append(&pair, ":", 1)
              ?: buffer_append(&pair, secret_text(o->password), secret_size(o->password));
    r = r ?: encode_base64(buffer_data(&pair), buffer_size(&pair), encoded);
    if (pair.memory)
        explicit_bzero(pair.memory, pair.allocated);
    buffer_done(&pair);
    return r;
}

/* The lines that the settings add: what is behind their names, and behind the first word of that,
 * as in "Proxy-Authorization: Basic dTpw". */
static int add_data(MaskList *secrets, const Secret *data)
{
    const char *line = data ? secret_text(data) : "";
    int r = 0;

    while (*line && r >= 0) {
        const char *end = line + strcspn(line, "\r\n");
        const char *value = line + strcspn(line, ":\r\n"), *word;

        value += strspn(value, ": \t");
        if (value < end)
            r = mask_list_add(secrets, value, (size_t)(end - value));
        word = value + strcspn(value, " \t\r\n");
        word += strspn(word, " \t");
        if (word < end)
            r = r ?: mask_list_add(secrets, word, (size_t)(end - word));
        line = end + strspn(end, "\r\n");
    }
    return r;
}

/* Of an answer of ours, what the password can be found by: of a digest the response, of NTLM and
 * Negotiate the message. */
static int add_said(MaskList *secrets, const ProxyDialogue *dialogue)
{
    static const char response[] = "response=\"";
    const char *value =
        dialogue->options.kind == PROXY_TUNNEL ? dialogue->tunnel.authentication : NULL;
    bool digest;
    size_t n;
    int r;

    if (!value)
        return 0;
    digest = text_starts_nocase(value, "Digest ");
    if (digest) {
        value = strstr(value, response);
        value = value ? value + sizeof(response) - 1 : "";
    } else {
        value += strcspn(value, " ");
        value += strspn(value, " ");
    }
    n = strcspn(value, "\"");
    if (n == 0)
        return 0;
    r = mask_list_add(secrets, value, n);
    if (r >= 0)
        secrets->all[secrets->n - 1].any_case = digest;
    return r;
}

char *proxy_printable(const ProxyDialogue *dialogue, const char *data, size_t n, size_t max)
{
    const ProxyOptions *o = &dialogue->options;
    _cleanup_wiped_ Buffer login = {0};
    MaskList secrets = {0};
    char *shown = NULL;
    int r = encode_login(o, &login);

    r = r ?: mask_list_add(&secrets, buffer_data(&login), buffer_size(&login));
    if (r >= 0 && o->password)
        r = mask_list_add(&secrets, secret_text(o->password), secret_size(o->password));
    r = r ?: add_data(&secrets, o->data) ?: add_said(&secrets, dialogue);
    if (r >= 0)
        shown = mask_printable(&secrets, data, n, max);
    mask_list_done(&secrets);
    return shown;
}
