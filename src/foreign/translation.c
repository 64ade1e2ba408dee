/* A configuration that is being written, and the lines it is made from. Must never put a value
 * where it would be read as more than a value. */
#include "foreign/translation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/errors.h"
#include "base/text.h"
#include "foreign/reader.h"

#define NOTE_WIDTH 98
#define JOINED_MAX ((size_t)64 * 1024) /* bytes of lines that are one */

static void keep(Translation *t, int r)
{
    t->is_short |= r < 0;
}

/* ---- what is written ---- */

/* In quotes, as libconfig reads it. */
static void write_text(Translation *t, Buffer *out, int indent, const char *name, const char *value)
{
    keep(t, buffer_appendf(out, "%*s%s = ", indent, "", name));
    keep(t, encode_setting(value, out));
    keep(t, buffer_append_string(out, ";\n"));
}

int translation_add_relay(Translation *t, const char *host, Failure *f)
{
    TranslatedRelay *relay = &t->relays[t->n_relays];

    if (t->n_relays == TRANSLATED_RELAYS_MAX)
        return failure_set(f, -E2BIG, ERROR_CONFIGURATION, "%s: more than %d relays", t->source,
            TRANSLATED_RELAYS_MAX);
    t->n_relays++;
    relay->host = strdup(host);
    keep(t, relay->host ? 0 : -ENOMEM);
    translation_relay_text(t, "host", host);
    return 0;
}

static TranslatedRelay *last_relay(Translation *t)
{
    return &t->relays[t->n_relays - 1];
}

/* The line that sets it, of *ret_n bytes with its end; NULL: there is none. */
static char *find_setting(const Buffer *settings, const char *name, size_t *ret_n)
{
    char start[64], *at, *end;

    snprintf(start, sizeof(start), "        %s = ", name);
    for (at = (char *)(uintptr_t)buffer_data(settings); at; at = end) {
        char *stop = (char *)(uintptr_t)buffer_data(settings) + buffer_size(settings);

        end = at < stop ? memchr(at, '\n', (size_t)(stop - at)) : NULL;
        if (!end)
            return NULL;
        *ret_n = (size_t)(++end - at);
        if (*ret_n > strlen(start) && memcmp(at, start, strlen(start)) == 0)
            return at;
    }
    return NULL;
}

/* What was said before counts no more. */
static void forget(Buffer *settings, const char *name)
{
    char *start = (char *)(uintptr_t)buffer_data(settings);
    size_t n, size = buffer_size(settings);
    char *at = find_setting(settings, name, &n);

    if (!at)
        return;
    memmove(at, at + n, size - (size_t)(at - start) - n);
    buffer_truncate(settings, size - n);
}

static bool have_same(const TranslatedRelay *a, const TranslatedRelay *b, const char *name)
{
    size_t n, m;
    const char *of_a = find_setting(&a->settings, name, &n);
    const char *of_b = find_setting(&b->settings, name, &m);

    return of_a && of_b ? n == m && memcmp(of_a, of_b, n) == 0 : !of_a && !of_b;
}

void translation_name_relays(Translation *t)
{
    for (size_t i = 1; i < t->n_relays; i++) {
        TranslatedRelay *relay = &t->relays[i];
        char name[300];
        size_t number = 1;

        for (size_t j = 0; j < i; j++)
            number +=
                have_same(&t->relays[j], relay, "host") && have_same(&t->relays[j], relay, "port");
        if (number == 1 || !relay->host)
            continue;
        snprintf(name, sizeof(name), "%.250s-%zu", relay->host, number);
        write_text(t, &relay->settings, 8, "name", name);
    }
}

void translation_relay_text(Translation *t, const char *name, const char *value)
{
    forget(&last_relay(t)->settings, name);
    write_text(t, &last_relay(t)->settings, 8, name, value);
}

void translation_relay_word(Translation *t, const char *name, const char *value)
{
    forget(&last_relay(t)->settings, name);
    keep(t, buffer_appendf(&last_relay(t)->settings, "        %s = %s;\n", name, value));
}

void translation_port(Translation *t, const char *value)
{
    if (translation_is_number(value, 65535) && strcmp(value, "0") != 0)
        translation_relay_word(t, "port", value);
    else
        translation_note(t, "\"%.40s\" is no port", value);
}

void translation_relay_secret(Translation *t, const char *secret)
{
    TranslatedRelay *relay = last_relay(t);

    if (!*secret) {
        translation_note(t, "the password is empty, and not taken: password_file is to name one");
        return;
    }
    free(relay->secret);
    relay->secret = strdup(secret);
    keep(t, relay->secret ? 0 : -ENOMEM);
}

void translation_local(Translation *t, const char *name, const char *value)
{
    write_text(t, &t->local, 4, name, value);
}

void translation_relay_crl(Translation *t, const char *path)
{
    translation_relay_text(t, "tls_crl_file", path);
    translation_relay_text(t, "tls_check_crl", "try");
}

void translation_relay_unverified(Translation *t)
{
    forget(&last_relay(t)->settings, "tls_crl_file");
    forget(&last_relay(t)->settings, "tls_check_crl");
    translation_relay_word(t, "tls_verify", "false");
}

/* What outbox has where they are not set, in seconds. */
#define FIRST_DEFAULT 60
#define MAX_DEFAULT 3600

static const struct {
    const char *name;
    unsigned long days; /* at most */
} times[] = {
    [TRANSLATED_FIRST] = {"first", 30},
    [TRANSLATED_MAX] = {"max", 30},
    [TRANSLATED_GIVE_UP_AFTER] = {"give_up_after", 3650},
};

void translation_time(
    Translation *t, TranslatedTime time, unsigned long seconds, const char *what, const char *text)
{
    if (seconds == 0 || seconds > times[time].days * 86400)
        translation_note(t, "%s = %.40s is not taken: see retry.%s", what, text, times[time].name);
    else
        t->times[time] = seconds;
}

void translation_write_retry(Translation *t, Buffer *out)
{
    unsigned long *first = &t->times[TRANSLATED_FIRST], *max = &t->times[TRANSLATED_MAX];
    bool any = false;

    if ((*first ?: FIRST_DEFAULT) > (*max ?: MAX_DEFAULT))
        *(*first > 0 ? max : first) = *first > 0 ? *first : *max;
    for (size_t i = 0; i < TRANSLATED_TIMES; i++) {
        if (t->times[i] == 0)
            continue;
        keep(t, any ? 0 : buffer_append_string(out, "\nretry = {\n"));
        keep(t, buffer_appendf(out, "    %s = \"%lus\";\n", times[i].name, t->times[i]));
        any = true;
    }
    keep(t, any ? buffer_append_string(out, "};\n") : 0);
}

bool translation_aliases(Translation *t, const char *path)
{
    bool is_there = access(path, F_OK) == 0;

    if (is_there)
        translation_local(t, "aliases", path);
    else
        translation_note(t, "the aliases in %s are not there", path);
    return is_there;
}

/* As comments, of which no line begins with anything but "# ". */
static int write_note(const char *text, Buffer *out)
{
    _cleanup_free_
    char *printable = text_printable(text, strlen(text), 2000);
    size_t column = 2;
    char *word, *rest = printable;
    int r = printable ? buffer_append_string(out, "#\n#") : -ENOMEM;

    while (r >= 0 && (word = strsep(&rest, " "))) {
        if (column > 2 && column + strlen(word) > NOTE_WIDTH) {
            r = buffer_append_string(out, "\n#");
            column = 2;
        }
        if (r >= 0)
            r = buffer_appendf(out, " %s", word);
        column += strlen(word) + 1;
    }
    return r >= 0 ? buffer_append_string(out, "\n") : r;
}

void translation_note(Translation *t, const char *format, ...)
{
    char text[1024], where[512] = "";
    _cleanup_free_
    char *whole = NULL;
    va_list arguments;

    if (t->is_silent)
        return;
    if (t->line > 0)
        snprintf(where, sizeof(where), "%s:%u: ", t->source, t->line);
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (asprintf(&whole, "%s%s", where, text) < 0)
        whole = NULL;
    keep(t, whole ? write_note(whole, &t->notes) : -ENOMEM);
}

bool translation_is_number(const char *text, unsigned long max)
{
    char *end;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;

    return text && *text >= '0' && *text <= '9' && !*end && n <= max;
}

void translation_done(Translation *t)
{
    for (size_t i = 0; i < t->n_relays; i++) {
        TranslatedRelay *relay = &t->relays[i];

        if (relay->secret)
            explicit_bzero(relay->secret, strlen(relay->secret));
        free(relay->secret);
        free(relay->host);
        buffer_done(&relay->settings);
    }
    buffer_done(&t->local);
    buffer_done(&t->notes);
}

/* ---- what is read ---- */

/* A regular file: a FIFO would be waited for. */
static int open_file(const char *path, Failure *f)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        return failure_set_errno(f, -errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return failure_set(f, -EINVAL, ERROR_FILE, "%s: is not a regular file", path);
    return TAKE_FD(fd);
}

static int fail_line(const Translation *t, int r, Failure *f)
{
    if (r == -E2BIG || r == -EILSEQ)
        return failure_set(f, r, ERROR_FILE, "%s:%u: the line is %s", t->source, t->line + 1,
            r == -E2BIG ? "too long" : "no text: it has a NUL in it");
    return failure_set_errno(f, r, "cannot read %s", t->source);
}

typedef struct Lines {
    TranslationTake *take;
    bool joins;     /* one that begins with a blank goes on with the one before */
    Buffer text;    /* what is not taken yet, with its NUL */
    unsigned first; /* the line in which that begins */
} Lines;

static int take_lines(Translation *t, Lines *lines, Failure *f)
{
    char *text = (char *)(uintptr_t)buffer_data(&lines->text);
    size_t n = buffer_size(&lines->text);
    unsigned line = t->line;
    int r;

    if (n == 0)
        return 0;
    t->line = lines->first;
    r = lines->take(t, text, f);
    t->line = line;
    explicit_bzero(text, n);
    buffer_clear(&lines->text);
    return r;
}

static int add_line(Translation *t, Lines *lines, char *line, Failure *f)
{
    bool goes_on = lines->joins && (*line == ' ' || *line == '\t');
    char *text = text_trim(line);
    int r;

    if (!*text || *text == '#')
        return 0;
    r = goes_on ? 0 : take_lines(t, lines, f);
    if (r < 0)
        return r;
    if (buffer_size(&lines->text) == 0)
        lines->first = t->line;
    else
        ((char *)(uintptr_t)buffer_data(&lines->text))[buffer_size(&lines->text) - 1] = ' ';
    if (buffer_size(&lines->text) + strlen(text) > JOINED_MAX)
        return failure_set(f, -E2BIG, ERROR_FILE,
            "%s:%u: the line and those that go on with it are too long", t->source, lines->first);
    r = buffer_append(&lines->text, text, strlen(text) + 1);
    return r < 0 ? failure_set_errno(f, r, "cannot read %s", t->source) : 0;
}

/* It may have had a password. */
static void wipe(const Buffer *text)
{
    if (buffer_size(text) > 0)
        explicit_bzero((char *)(uintptr_t)buffer_data(text), buffer_size(text));
}

static int read_lines(Translation *t, const char *path, Lines *lines, Failure *f)
{
    const char *source = t->source;
    unsigned before = t->line;
    _cleanup_buffer_ Buffer line = {0};
    _cleanup_(reader_done) Reader reader = {.fd = open_file(path, f)};
    int r = MIN(reader.fd, 0);

    if (r < 0)
        return r;
    t->source = path;
    t->line = 0;
    while (r >= 0 && (r = reader_line(&reader, &line)) > 0) {
        t->line++;
        r = add_line(t, lines, (char *)(uintptr_t)buffer_data(&line), f);
        if (r < 0)
            break;
    }
    wipe(&line);
    if (r < 0)
        return f && f->text ? r : fail_line(t, r, f);
    r = take_lines(t, lines, f);
    t->source = source;
    t->line = before;
    return r;
}

static int read_all(Translation *t, const char *path, bool joins, TranslationTake *take, Failure *f)
{
    Lines lines = {.take = take, .joins = joins};
    int r = read_lines(t, path, &lines, f);

    wipe(&lines.text);
    buffer_done(&lines.text);
    return r;
}

int translation_read(Translation *t, const char *path, TranslationTake *take, Failure *f)
{
    return read_all(t, path, false, take, f);
}

int translation_read_joined(Translation *t, const char *path, TranslationTake *take, Failure *f)
{
    return read_all(t, path, true, take, f);
}

int translation_read_first(Translation *t, const char *path, char **ret, Failure *f)
{
    _cleanup_buffer_ Buffer line = {0};
    _cleanup_(reader_done) Reader reader = {.fd = open_file(path, f)};
    int r = reader.fd;

    *ret = NULL;
    if (r >= 0)
        r = reader_line(&reader, &line);
    if (r == -ENOENT || r == 0)
        return 0;
    if (r < 0)
        return f->text ? r : fail_line(t, r, f);
    *ret = strdup(text_trim((char *)(uintptr_t)buffer_data(&line)));
    if (!*ret)
        return failure_set_errno(f, -ENOMEM, "%s", path);
    if (!**ret)
        free(TAKE_PTR(*ret));
    return 0;
}
