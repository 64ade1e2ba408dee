/* Reads dialogue scripts. Must never accept a word it does not know: a test that says nothing is
 * worse than none. */
#include "script.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/text.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024)

static void *keep(Script *script, void *memory)
{
    if (!memory || buffer_append(&script->memory, &memory, sizeof(memory)) < 0)
        errx(1, "out of memory");
    return memory;
}

static ScriptLine *add_line(Script *script, LineKind kind, unsigned number, const char *text)
{
    ScriptLine *line;

    script->lines =
        reallocarray(script->lines, script->n_lines + 1, sizeof(*script->lines)); /* may move */
    if (!script->lines)
        errx(1, "out of memory");
    line = &script->lines[script->n_lines++];
    *line = (ScriptLine){.kind = kind, .number = number};
    line->text = keep(script, strdup(text));
    line->size = strlen(text);
    return line;
}

/* The value of a \ escape at `*at`, which is moved behind it. */
static char unescape(const char **at)
{
    char hex[3] = {0};

    switch (*(*at)++) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case '\\': return '\\';
    case '"': return '"';
    case 'x':
        hex[0] = (*at)[0];
        hex[1] = hex[0] ? (*at)[1] : '\0';
        *at += strlen(hex);
        return (char)strtol(hex, NULL, 16);
    default: errx(1, "unknown escape \\%c", (*at)[-1]);
    }
}

/* Takes the next word off the front of `*at`: blanks part words, "..." holds blanks and escapes
 * anywhere. NULL at the end. */
static char *next_word(Script *script, const char **at, size_t *ret_size)
{
    char *word = keep(script, malloc(strlen(*at) + 1)), *to = word;
    bool quoted = false;

    *at += strspn(*at, " ");
    if (!**at)
        return NULL;
    while (**at && (quoted || **at != ' ')) {
        char c = *(*at)++;

        if (c == '"')
            quoted = !quoted;
        else
            *to++ = c == '\\' ? unescape(at) : c;
    }
    *to = '\0';
    *ret_size = (size_t)(to - word);
    return word;
}

/* "key=value": the value, or NULL when the key is another. */
static char *value_of(char *word, const char *key)
{
    size_t n = strlen(key);

    return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static bool parse_yes(const ScriptLine *line, const char *value)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        errx(1, "line %u: \"%s\" is neither yes nor no", line->number, value);
    return value[0] == 'y';
}

static void parse_submit(Script *script, ScriptLine *line)
{
    Submission *submission = keep(script, calloc(1, sizeof(*submission)));
    SmtpTransaction *t = &submission->transaction;
    const char *at = line->text;
    uint64_t size = UINT64_MAX;
    char *word, *value;
    size_t n;

    submission->body = "";
    t->sender = "";
    submission->recipients =
        keep(script, calloc(strlen(at) / 3 + 1, sizeof(*submission->recipients)));
    while ((word = next_word(script, &at, &n))) {
        SmtpRecipient *last = &submission->recipients[MAX(t->n_recipients, (size_t)1) - 1];

        if ((value = value_of(word, "from")))
            t->sender = value;
        else if ((value = value_of(word, "from-parameters")))
            t->sender_parameters = value;
        else if ((value = value_of(word, "to")))
            submission->recipients[t->n_recipients++].address = value;
        else if ((value = value_of(word, "required-to"))) {
            submission->recipients[t->n_recipients].required = true;
            submission->recipients[t->n_recipients++].address = value;
        } else if ((value = value_of(word, "to-parameters")))
            last->parameters = value;
        else if ((value = value_of(word, "body"))) {
            submission->body = value;
            submission->body_size = n - (size_t)(value - word);
        } else if ((value = value_of(word, "size")))
            size = strtoull(value, NULL, 10);
        else if ((value = value_of(word, "waited")))
            t->waited = strtoull(value, NULL, 10);
        else if ((value = value_of(word, "pieces")))
            submission->pieces = strtoul(value, NULL, 10);
        else if ((value = value_of(word, "abort")))
            submission->abort = value;
        else if (strcmp(word, "saml") == 0)
            t->verb = SMTP_VERB_SAML;
        else if (strcmp(word, "8bit") == 0)
            t->is_8bit = true;
        else if (strcmp(word, "utf8") == 0)
            t->wants_utf8 = true;
        else
            errx(1, "%s:%u: unknown word \"%s\"", script->path, line->number, word);
    }
    t->recipients = submission->recipients;
    t->size = size == UINT64_MAX ? submission->body_size : size;
    t->user = submission;
    line->submission = submission;
}

static SmtpTls parse_tls(const Script *script, const ScriptLine *line, const char *value)
{
    static const char *const names[] = {
        [SMTP_TLS_NONE] = "none",
        [SMTP_TLS_IF_OFFERED] = "if-offered",
        [SMTP_TLS_REQUIRED] = "required",
        [SMTP_TLS_ACTIVE] = "active",
    };

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (strcmp(value, names[i]) == 0)
            return (SmtpTls)i;
    errx(1, "%s:%u: unknown tls \"%s\"", script->path, line->number, value);
}

static void parse_option(Script *script, const ScriptLine *line)
{
    SmtpOptions *o = &script->options;
    const char *at = line->text;
    char *word, *value;
    size_t n;

    while ((word = next_word(script, &at, &n))) {
        if ((value = value_of(word, "extensions")))
            o->extensions = parse_yes(line, value);
        else if ((value = value_of(word, "pipelining")))
            o->pipelining = parse_yes(line, value);
        else if ((value = value_of(word, "chunking")))
            o->chunking = parse_yes(line, value);
        else if ((value = value_of(word, "lmtp")))
            o->lmtp = parse_yes(line, value);
        else if ((value = value_of(word, "send_rset")))
            o->send_rset = parse_yes(line, value);
        else if ((value = value_of(word, "bare_dots")))
            o->bare_dots = parse_yes(line, value);
        else if ((value = value_of(word, "timeout_by_stage")))
            o->timeout_by_stage = parse_yes(line, value);
        else if ((value = value_of(word, "clear_auth")))
            o->auth.clear_allowed = parse_yes(line, value);
        else if ((value = value_of(word, "tls")))
            o->tls = parse_tls(script, line, value);
        else if ((value = value_of(word, "hello")))
            o->hello = value;
        else if ((value = value_of(word, "mechanism")))
            o->auth.mechanism = value;
        else if ((value = value_of(word, "user")))
            o->auth.user = value;
        else if ((value = value_of(word, "identity")))
            o->auth.authorization_identity = value;
        else if ((value = value_of(word, "password")))
            o->auth.secret = script->secret = secret_new(value, strlen(value));
        else if ((value = value_of(word, "max_line")))
            o->max_line_bytes = strtoul(value, NULL, 10);
        else if ((value = value_of(word, "time_in_all"))) {
            if (text_parse_duration(value, &o->time_in_all) < 0)
                errx(1, "%s:%u: no duration: \"%s\"", script->path, line->number, value);
        } else if (!(value = value_of(word, "timeout")) ||
                   text_parse_duration(value, &o->timeout) < 0)
            errx(1, "%s:%u: unknown option \"%s\"", script->path, line->number, word);
    }
}

/* `n` times the bytes that a text with escapes stands for. */
static void add_bytes(Script *script, unsigned number, const char *text, size_t n)
{
    _cleanup_buffer_ Buffer bytes = {0};
    const char *at = text;
    ScriptLine *line;

    while (n-- > 0)
        for (at = text; *at;) {
            char c = *at++;

            if (c == '\\')
                c = unescape(&at);
            if (buffer_append(&bytes, &c, 1) < 0)
                errx(1, "out of memory");
        }
    line = add_line(script, LINE_SERVER, number, "");
    if (buffer_append(&bytes, "", 1) < 0)
        errx(1, "out of memory");
    line->text = keep(script, TAKE_PTR(bytes.memory));
    line->size = buffer_size(&bytes) - 1;
}

static void add_server_line(Script *script, unsigned number, const char *text)
{
    _cleanup_free_
    char *bytes = NULL;

    if (asprintf(&bytes, "%s\r\n", text) < 0)
        errx(1, "out of memory");
    add_line(script, LINE_SERVER, number, bytes);
}

/* A server of little interest up to READY, that offers what the line names, parted by commas. */
static void expand_greet(Script *script, unsigned number, const char *offers)
{
    _cleanup_free_
    char *copy = strdup(offers);
    char *at = copy, *offer, line[256];

    add_server_line(script, number, "220 mx.example ESMTP");
    add_line(script, LINE_CLIENT, number, "EHLO client.example");
    add_server_line(script, number, "250-mx.example");
    while (*copy && (offer = strsep(&at, ","))) {
        snprintf(line, sizeof(line), "250-%s", offer + strspn(offer, " "));
        add_server_line(script, number, line);
    }
    add_server_line(script, number, "250 HELP");
    add_line(script, LINE_EVENT, number, "READY");
}

static const char *behind(const char *line, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(line, word, n) != 0 || (line[n] != '\0' && line[n] != ' '))
        return NULL;
    return line + n + (line[n] == ' ');
}

static void parse_line(Script *script, unsigned number, const char *text)
{
    static const struct {
        const char *word;
        LineKind kind;
    } plain[] = {
        {"C:", LINE_CLIENT},
        {"EVENT:", LINE_EVENT},
        {"TRACE:", LINE_TRACE},
        {"TLS", LINE_TLS},
        {"CLOSE", LINE_CLOSE},
        {"QUIT", LINE_QUIT},
        {"STALL", LINE_STALL},
        {"COMMAND", LINE_COMMAND},
        {"IDLE", LINE_IDLE},
    };
    ScriptLine *line;
    const char *rest;
    char *end;

    if (text[0] == '#' || text[0] == '\0')
        return;
    for (size_t i = 0; i < ELEMENTSOF(plain); i++)
        if ((rest = behind(text, plain[i].word))) {
            add_line(script, plain[i].kind, number, rest);
            return;
        }
    if ((rest = behind(text, "S:"))) {
        add_server_line(script, number, rest);
    } else if ((rest = behind(text, "RAW"))) {
        add_bytes(script, number, rest, 1);
    } else if ((rest = behind(text, "REPEAT"))) {
        size_t n = strtoul(rest, &end, 10);

        add_bytes(script, number, end + (*end == ' '), n);
    } else if ((rest = behind(text, "GREET"))) {
        expand_greet(script, number, rest);
    } else if (strcmp(text, "WHOLE") == 0) {
        script->whole_only = true;
    } else if ((rest = behind(text, "SUBMIT"))) {
        parse_submit(script, add_line(script, LINE_SUBMIT, number, rest));
    } else if ((rest = behind(text, "TIME"))) {
        line = add_line(script, LINE_TIME, number, rest);
        if (rest[0] != '+' || text_parse_duration(rest + 1, &line->time) < 0)
            errx(1, "%s:%u: TIME wants +DURATION", script->path, number);
    } else if ((rest = behind(text, "OPTION"))) {
        ScriptLine option = {.number = number, .text = keep(script, strdup(rest))};

        parse_option(script, &option);
    } else {
        errx(1, "%s:%u: not a line of a script: %s", script->path, number, text);
    }
}

void script_load(Script *script, const char *path)
{
    _cleanup_buffer_ Buffer file = {0};
    unsigned number = 0;
    char *at, *line;

    *script = (Script){
        .path = path,
        .options =
            {
                .hello = "client.example",
                .extensions = true,
                .pipelining = true,
                .chunking = true,
                .max_line_bytes = 2048,
                .timeout = 60 * USEC_PER_SEC,
                .auth.host = "mx.example",
                .auth.port = 25,
            },
    };
    if (file_load(AT_FDCWD, path, FILE_MAX_BYTES, &file) < 0 || buffer_append(&file, "", 1) < 0)
        errx(1, "cannot read %s", path);
    at = file.memory + file.start;
    while ((line = strsep(&at, "\n")))
        parse_line(script, ++number, line);
}

void script_done(Script *script)
{
    void *memory;

    for (; buffer_size(&script->memory) > 0; buffer_consume(&script->memory, sizeof(memory))) {
        memcpy(&memory, buffer_data(&script->memory), sizeof(memory));
        free(memory);
    }
    buffer_done(&script->memory);
    secret_unref(script->secret);
    free(script->lines);
}
