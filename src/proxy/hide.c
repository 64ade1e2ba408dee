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

typedef struct Secrets {
    MaskSecret *all;
    size_t n, room;
} Secrets;

static int add(Secrets *secrets, const char *data, size_t n)
{
    if (n == 0)
        return 0;
    if (secrets->n == secrets->room) {
        size_t room = 2 * secrets->room + 8;
        MaskSecret *all = reallocarray(secrets->all, room, sizeof(*all));

        if (!all)
            return -ENOMEM;
        secrets->all = all;
        secrets->room = room;
    }
    secrets->all[secrets->n++] = (MaskSecret){data, n};
    return 0;
}

/* The lines that the settings add: what is behind their names, and behind the first word of that,
 * as in "Proxy-Authorization: Basic dTpw". */
static int add_data(Secrets *secrets, const Secret *data)
{
    const char *line = data ? secret_text(data) : "";
    int r = 0;

    while (*line && r >= 0) {
        const char *end = line + strcspn(line, "\r\n");
        const char *value = line + strcspn(line, ":\r\n"), *word;

        value += strspn(value, ": \t");
        if (value < end)
            r = add(secrets, value, (size_t)(end - value));
        word = value + strcspn(value, " \t\r\n");
        word += strspn(word, " \t");
        if (word < end)
            r = r ?: add(secrets, word, (size_t)(end - word));
        line = end + strspn(end, "\r\n");
    }
    return r;
}

/* Of an answer of ours, what the password can be found by: of a digest the response, of NTLM and
 * Negotiate the message. */
static int add_said(Secrets *secrets, const ProxyDialogue *dialogue)
{
    static const char response[] = "response=\"";
    const char *value =
        dialogue->options.kind == PROXY_TUNNEL ? dialogue->tunnel.authentication : NULL;

    if (!value)
        return 0;
    if (text_starts_nocase(value, "Digest ")) {
        value = strstr(value, response);
        value = value ? value + sizeof(response) - 1 : "";
    } else {
        value += strcspn(value, " ");
        value += strspn(value, " ");
    }
    return add(secrets, value, strcspn(value, "\""));
}

static int hide(const ProxyDialogue *dialogue, char *data, size_t n)
{
    const ProxyOptions *o = &dialogue->options;
    _cleanup_wiped_ Buffer login = {0};
    Secrets secrets = {0};
    int r = encode_login(o, &login);

    r = r
            ?: add(&secrets, buffer_data(&login), buffer_size(&login))
            ?: (o->password ? add(&secrets, secret_text(o->password), secret_size(o->password)) : 0)
            ?: add_data(&secrets, o->data)
            ?: add_said(&secrets, dialogue);
    if (r >= 0 && n > 0 && secrets.n > 0)
        r = mask_secrets(data, n, secrets.all, secrets.n);
    free(secrets.all);
    return r;
}

char *proxy_printable(const ProxyDialogue *dialogue, const char *data, size_t n, size_t max)
{
    char *copy = malloc(n + 1), *shown = NULL;

    if (!copy)
        return NULL;
    memcpy(copy, data, n);
    if (hide(dialogue, copy, n) >= 0)
        shown = text_printable(copy, n, max);
    explicit_bzero(copy, n + 1);
    free(copy);
    return shown;
}
