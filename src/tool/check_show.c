/* Telling what `outbox check` found, to a person and to a program. Must never say "ok" alone where
 * something was not verified. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "net/connection.h"
#include "tool/certificate.h"
#include "tool/check.h"
#include "tool/json.h"
#include "tool/terminal.h"

#define LABEL_WIDTH 13
#define DAYS_SOON ((long long)(CONNECTION_EXPIRY / USEC_PER_DAY))

void finding_done(Finding *f)
{
    free(f->address);
    free(f->local);
    free(f->proxy);
    free(f->tls);
    free(f->certificate);
    free(f->expiring);
    free(f->policy);
    free(f->tokens);
    (void)certificate_unref(f->shown);
    free(f->chain);
    free(f->pem);
    free(f->server);
    free(f->mechanisms);
    free(f->mechanism);
    free(f->size_max);
    free(f->tried);
    free(f->text);
    json_decref(f->extensions);
    json_decref(f->certificates);
    json_decref(f->notes);
    json_decref(f->probe);
    json_decref(f->logins);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* ---- notes ---- */

static int note(Finding *f, const char *text)
{
    return json_array_append_new(f->notes, json_string(text)) < 0 ? -ENOMEM : 0;
}

static int note_tls(Finding *f)
{
    const RelayConfig *relay = f->relay;

    if (relay_socket_path(relay))
        return 0;
    if (!f->tls)
        return note(f, relay->tls == TLS_MODE_NONE
                           ? "there is no TLS (tls = \"none\"): whoever is in between reads "
                             "everything, and can change it"
                           : "there is no TLS, for the relay does not offer it, and tls = "
                             "\"opportunistic\" goes on without: whoever is in between reads "
                             "everything, and can change it");
    if (relay->tls_accept_certificate)
        return note(f, "the certificate was compared with tls_accept_certificate: where it is that "
                       "one, its name, its dates and who signed it were not verified");
    if (!relay->tls_verify)
        return note(f, "the certificate was not verified (tls_verify = false): whoever is in "
                       "between can be the relay, and read everything");
    if (relay->tls == TLS_MODE_OPPORTUNISTIC)
        return note(f, "tls = \"opportunistic\" goes on in clear where TLS fails: whoever is in "
                       "between can bring that about");
    return 0;
}

static int note_login(Finding *f)
{
    if (f->mechanisms && !f->mechanism && !f->relay->user)
        return note(f, "the relay offers a login, and no user is set: it may take mail for its own "
                       "recipients alone; --probe ADDRESS asks");
    if (f->relay->user && !f->mechanism)
        return note(f, "user is set, and nobody has logged in: the relay offers no login, or auth "
                       "forbids it");
    return 0;
}

/* Those that came with the server's own, which `expiring` tells of. */
static int note_chain(Finding *f)
{
    int r = 0;

    for (size_t i = 1; i < json_array_size(f->certificates) && r >= 0; i++) {
        const json_t *one = json_array_get(f->certificates, i);
        long long days = json_integer_value(json_object_get(one, "days"));
        _cleanup_free_
        char *text = NULL;

        if (days >= DAYS_SOON)
            continue;
        if (asprintf(&text, "a certificate that the relay sends along ends within %lld days: %s",
                MAX(days + 1, 0LL), text_of(one, "subject") ?: "without a name") < 0) {
            text = NULL;
            return -ENOMEM;
        }
        r = json_array_append_new(f->notes, json_text(text)) < 0 ? -ENOMEM : 0;
    }
    return r;
}

int finding_take_notes(Finding *f)
{
    f->notes = json_array();
    if (!f->notes)
        return -ENOMEM;
    return note_tls(f) ?: note_login(f) ?: note_chain(f);
}

/* ---- for a person ---- */

static void print_colored(const Finding *f, Color color, const char *text)
{
    color = f->colors ? color : COLOR_NONE;
    color_begin(stdout, color);
    fputs(text, stdout);
    color_end(stdout, color);
}

static void print_if(const char *label, const char *value)
{
    if (!value)
        return;
    printf("  %-12s ", label);
    (void)terminal_print(stdout, value, CHECK_SHOWN_MAX);
    putchar('\n');
}

/* Cipher and key exchange with the strength of each, as far as they can be told. */
static void print_negotiated(const TlsNegotiated *is)
{
    if (!is->version[0])
        return;
    printf("  %-12s %s, %u bits; %s%s%s", "cipher", is->cipher, is->cipher_bits, is->key_exchange,
        is->group[0] ? " " : "", is->group);
    if (is->key_exchange_bits > 0)
        printf(", %u bits", is->key_exchange_bits);
    puts(is->resumed ? "; resumed" : "");
}

static void print_lines_as(const Finding *f, Color color, const char *label, const char *text)
{
    for (const char *line = text; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *first = line == text ? label : "";

        fputs("  ", stdout);
        print_colored(f, color, first);
        printf("%*s", LABEL_WIDTH - (int)strlen(first), "");
        (void)terminal_print_bytes(stdout, line, strcspn(line, "\n"), CHECK_SHOWN_MAX);
        putchar('\n');
    }
}

static void print_lines(const Finding *f, const char *label, const char *text)
{
    print_lines_as(f, COLOR_NONE, label, text);
}

static bool is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static size_t count_logins(const Finding *f, const char *what)
{
    size_t i, n = 0;
    json_t *login;

    json_array_foreach(f->logins, i, login) n += is_true(login, "offered") && is_true(login, what);
    return n;
}

/* What became of one that fits, and was not refused. Those in front of the one that was tried last
 * were ruled out by the refusal of their like. */
static const char *fate_of(const Finding *f, const json_t *login, bool turn_is_over)
{
    if (is_true(login, "used"))
        return f->ok ? "used" : "tried, and failed";
    if (count_logins(f, "used") == 0)
        return "fits";
    if (!turn_is_over)
        return "left out, for its like was refused";
    return f->ok ? "fits, and was not needed" : "fits, and was not tried any more";
}

/* In the order in which they have their turn; of those that are not offered, none. */
static void print_logins(const Finding *f)
{
    const char *label = "logins";
    bool turn_is_over = false;
    size_t i;
    json_t *login;

    if (count_logins(f, "fits") > 1) {
        printf("  %-12s in this order, each when the one before is refused (auth = \"auto\"):\n",
            label);
        label = "";
    }
    json_array_foreach(f->logins, i, login)
    {
        if (!is_true(login, "offered"))
            continue;
        printf("  %-12s ", label);
        (void)terminal_print(stdout, text_of(login, "mechanism"), CHECK_SHOWN_MAX);
        printf(": %s\n",
            is_true(login, "fits") ? fate_of(f, login, turn_is_over) : text_of(login, "reason"));
        turn_is_over = turn_is_over || is_true(login, "used");
        label = "";
    }
}

static void print_days(const Finding *f)
{
    const char *label = "expires";
    size_t i;
    json_t *one;

    json_array_foreach(f->certificates, i, one)
    {
        printf("  %-12s in %lld days, %.10s: ", label,
            (long long)json_integer_value(json_object_get(one, "days")),
            text_of(one, "expires") ?: "unreadable");
        (void)terminal_print(stdout, text_of(one, "subject") ?: "", CHECK_SHOWN_MAX);
        putchar('\n');
        label = "";
    }
}

static void print_extensions(const Finding *f)
{
    const char *before = "";
    size_t i, j;
    json_t *one, *word;

    if (json_array_size(f->extensions) == 0)
        return;
    printf("  %-12s ", "extensions");
    json_array_foreach(f->extensions, i, one)
    {
        fputs(before, stdout);
        (void)terminal_print(stdout, text_of(one, "keyword") ?: "", CHECK_SHOWN_MAX);
        json_array_foreach(json_object_get(one, "parameters"), j, word)
        {
            putchar(' ');
            (void)terminal_print(stdout, json_string_value(word), CHECK_SHOWN_MAX);
        }
        before = ", ";
    }
    putchar('\n');
}

static void print_probe(const Finding *f)
{
    size_t i, j;
    json_t *one, *line;

    json_array_foreach(f->probe, i, one)
    {
        fputs("  probe        ", stdout);
        (void)terminal_print(stdout, text_of(one, "command"), CHECK_SHOWN_MAX);
        putchar('\n');
        json_array_foreach(json_object_get(one, "lines"), j, line)
        {
            const char *enhanced = text_of(one, "enhanced");

            printf("               %lld %s%s",
                (long long)json_integer_value(json_object_get(one, "code")), enhanced ?: "",
                enhanced ? " " : "");
            (void)terminal_print(stdout, json_string_value(line), CHECK_SHOWN_MAX);
            putchar('\n');
        }
    }
}

static void print_notes(const Finding *f)
{
    size_t i;
    json_t *one;

    json_array_foreach(f->notes, i, one)
    {
        fputs("  ", stdout);
        print_colored(f, COLOR_WAITS, "note");
        printf("%*s", LABEL_WIDTH - (int)strlen("note"), "");
        (void)terminal_print(stdout, json_string_value(one), CHECK_SHOWN_MAX);
        putchar('\n');
    }
}

static void print_end(const Finding *f)
{
    if (f->ok) {
        fputs("  ", stdout);
        print_colored(f, COLOR_GOOD, "ok");
        puts(json_array_size(f->notes) > 0 ? ", but see the notes" : "");
        return;
    }
    fputs("  ", stdout);
    print_colored(f, COLOR_BAD, "FAILED");
    printf(" at %s: ", delivery_stage_name(f->stage));
    (void)terminal_print(stdout, f->text, CHECK_SHOWN_MAX);
    putchar('\n');
    if (f->hint)
        printf("  what to do: %s\n", f->hint);
}

static void print_transport(const Finding *f)
{
    print_if("proxy", f->proxy);
    if (f->ok || f->probe)
        print_lines_as(f, COLOR_WAITS, "of no use", f->tried);
    print_if("address", f->address);
    print_if("from", f->local);
    if (f->address && f->ok)
        print_if("TLS", f->tls ?: "none: everything goes in clear");
    else
        print_if("TLS", f->tls);
    print_negotiated(&f->negotiated);
    print_lines(f, "certificate", f->certificate);
    print_lines(f, "sent with it", f->chain);
    print_days(f);
    print_lines_as(f, COLOR_WAITS, "expiry", f->expiring);
    print_lines(f, "MTA-STS", f->policy);
    print_lines_as(f, COLOR_WAITS, "warning", f->tokens);
}

void finding_print(const Finding *f)
{
    printf("relay %s (%s", f->relay->name, f->relay->host);
    if (!relay_socket_path(f->relay))
        printf(", port %u", f->relay->port);
    puts(")");
    print_transport(f);
    print_if("server", f->server);
    print_extensions(f);
    if (f->size_max)
        printf("  %-12s %s bytes a message\n", "limit", f->size_max);
    print_if("offers AUTH", f->mechanisms);
    print_logins(f);
    if (f->ok || f->probe)
        print_if("login", f->mechanism);
    print_probe(f);
    print_notes(f);
    print_end(f);
}

/* ---- for a program ---- */

static json_t *negotiated_to_json(const TlsNegotiated *is)
{
    if (!is->version[0])
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:b}", "version", is->version, "suite",
        is->suite, "cipher", is->cipher, "cipher_bits", (int)is->cipher_bits, "key_exchange",
        is->key_exchange, "group", is->group, "key_exchange_bits", (int)is->key_exchange_bits,
        "resumed", (int)is->resumed);
}

/* The words of a text; empty for NULL. */
static json_t *words_json(const char *text)
{
    json_t *array = json_array();
    size_t n;

    for (text = text ?: ""; array && *text; text += n + strspn(text + n, " ")) {
        _cleanup_free_
        char *word = NULL;

        n = strcspn(text, " ");
        word = strndup(text, n);
        (void)json_array_append_new(array, json_text(word));
    }
    return array;
}

static int add_address(json_t *array, const char *address, bool used, const char *said)
{
    return json_array_append_new(array, json_pack("{s:o, s:b, s:o}", "address", json_text(address),
                                            "used", (int)used, "said", json_text(said)));
}

/* In the order in which they were tried: those of no use, and what each said; and the one in use.
 */
static json_t *addresses_json(const Finding *f)
{
    json_t *array = json_array();
    const char *next;
    bool told = false;

    for (const char *line = f->tried ?: ""; array && *line; line = next) {
        _cleanup_free_
        char *address = strndup(line, strcspn(line, "\n"));
        char *said = address ? strstr(address, ": ") : NULL;

        next = line + strcspn(line, "\n");
        next += *next == '\n';
        if (!said)
            continue;
        *said = '\0';
        told |= !f->ok && f->address && strcmp(f->address, address) == 0;
        (void)add_address(array, address, false, said + 2);
    }
    if (array && f->address && !told && (f->ok || f->probe || !f->tried))
        (void)add_address(array, f->address, f->ok || f->probe, NULL);
    return array;
}

static json_t *shared(json_t *value)
{
    return value ? json_incref(value) : json_array();
}

static json_t *fault_json(const Finding *f)
{
    return json_pack("{s:o, s:i, s:o, s:o}", "stage",
        f->ok ? json_null() : json_text(delivery_stage_name(f->stage)), "error",
        f->ok ? 0 : f->error, "text", json_text(f->text), "hint", json_text(f->hint));
}

static json_t *tls_json(const Finding *f)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "warning", json_text(f->tokens),
        "tls", json_text(f->tls), "negotiated", negotiated_to_json(&f->negotiated), "certificate",
        certificate_json(f->shown), "certificates", shared(f->certificates), "chain",
        json_text(f->pem), "expiring", json_text(f->expiring), "mta_sts", json_text(f->policy));
}

static json_t *session_json(const Finding *f)
{
    return json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "server", json_text(f->server),
        "extensions", shared(f->extensions), "size_max",
        (json_int_t)(f->size_max ? strtoll(f->size_max, NULL, 10) : 0), "mechanisms",
        words_json(f->mechanisms), "mechanism", json_text(f->mechanism), "logins",
        shared(f->logins), "probe", f->probe ? json_incref(f->probe) : json_null(), "notes",
        shared(f->notes));
}

json_t *finding_json(const Finding *f)
{
    json_t *object = json_pack("{s:o, s:o, s:i, s:b, s:o, s:o, s:o, s:o, s:o}", "relay",
        json_text(f->relay->name), "host", json_text(f->relay->host), "port", (int)f->relay->port,
        "ok", (int)f->ok, "as", check_as_json(f->as), "address", json_text(f->address), "addresses",
        addresses_json(f), "local", json_text(f->local), "proxy", json_text(f->proxy));
    json_t *parts[] = {tls_json(f), session_json(f), fault_json(f)};
    bool good = object != NULL;

    for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
        good = good && parts[i] && json_object_update(object, parts[i]) == 0;
        json_decref(parts[i]);
    }
    if (good)
        return object;
    json_decref(object);
    return NULL;
}
