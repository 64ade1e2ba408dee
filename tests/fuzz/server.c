/* The server of tests/fuzz/server.h. */
#include "server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX 2048

static uint8_t draw(Server *server)
{
    return server->choices < server->choices_end ? *server->choices++ : 0;
}

const char *server_content(size_t transaction)
{
    static const char *const contents[SERVER_TRANSACTIONS] = {
        "A: b\n\n.x\n..\n.\ny", "\r\n.\r\n\r.\n.", "", "A: \xc3\xb6\r\rx.\n"};

    return contents[transaction];
}

/* ---- replies ---- */

static void say(Server *server, const char *text)
{
    if (buffer_append_string(&server->output, text) < 0)
        abort();
}

static void note_code(Server *server, int code)
{
    ServerTransaction *t = &server->transactions[server->current];

    if (server->current < SERVER_TRANSACTIONS && t->n_codes < SERVER_CODES)
        t->codes[t->n_codes++] = code;
}

/* Says the code that was drawn: `good`, or one that refuses. */
static int answer(Server *server, int good)
{
    static const int refusals[] = {421, 450, 451, 452, 500, 501, 502, 503, 504, 550, 552, 554, 555};
    uint8_t choice = draw(server);
    int code = choice % 4 != 3 ? good : refusals[choice / 4 % ELEMENTSOF(refusals)];
    char line[64];

    snprintf(
        line, sizeof(line), choice & 128 ? "%d-5.1.1 one\r\n%d two\r\n" : "%d %d\r\n", code, code);
    say(server, line);
    server->closing |= code == 421;
    note_code(server, code);
    return code;
}

/* What has no place where it is said. */
static void refuse(Server *server)
{
    say(server, "503 bad sequence\r\n");
    note_code(server, 503);
}

/* ---- what the client may say ---- */

/* Whether the client may make use of what was offered. */
static bool may_use(const Server *server, SmtpCapability capability)
{
    return server->is_esmtp && server->offer & ~server->options->discarded & capability;
}

static void check_parameter(const Server *server, const char *word)
{
    static const struct {
        const char *start;
        SmtpCapability capability;
    } known[] = {{"SIZE=", SMTP_CAP_SIZE}, {"BODY=8BITMIME", SMTP_CAP_8BITMIME},
        {"SMTPUTF8", SMTP_CAP_SMTPUTF8}, {"RET=", SMTP_CAP_DSN}, {"ENVID=", SMTP_CAP_DSN},
        {"NOTIFY=", SMTP_CAP_DSN}, {"ORCPT=", SMTP_CAP_DSN}};

    for (size_t i = 0; i < ELEMENTSOF(known); i++)
        if (strncmp(word, known[i].start, strlen(known[i].start)) == 0) {
            assert(may_use(server, known[i].capability));
            return;
        }
    abort();
}

/* "<address>" and parameters; the address is cut off, in place. */
static char *check_path(const Server *server, char *text)
{
    char *end = strchr(text, '>'), *rest, *word;

    assert(*text == '<' && end && (end[1] == ' ' || end[1] == '\0'));
    *end = '\0';
    rest = end + 1 + (end[1] == ' ');
    while (end[1] && (word = strsep(&rest, " ")))
        check_parameter(server, word);
    return text + 1;
}

/* Beside greetings and STARTTLS, nothing goes over a connection that lacks what it has to have. */
static void check_protected(const Server *server)
{
    const SmtpOptions *o = server->options;

    assert(server->greeted);
    assert(o->tls != SMTP_TLS_REQUIRED || server->tls);
}

/* ---- commands ---- */

static void on_greeting(Server *server, bool is_esmtp)
{
    static const char *const keywords[] = {"PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8",
        "SIZE 1000", "ENHANCEDSTATUSCODES", "DSN", "STARTTLS"};
    static const char *const mechanisms[] = {"250-AUTH PLAIN LOGIN CRAM-MD5\r\n",
        "250-AUTH LOGIN\r\n", "250-AUTH PLAIN LOGIN\r\n", "250-AUTH CRAM-MD5\r\n"};
    unsigned offer = (unsigned)draw(server) | (unsigned)draw(server) << 8;
    uint8_t choice;

    assert(!is_esmtp || server->options->extensions || server->options->lmtp);
    server->offer = ~offer & 511 & (server->tls ? ~(unsigned)SMTP_CAP_STARTTLS : ~0u);
    choice = draw(server);
    if (choice % 8 == 7) {
        server->is_esmtp = false;
        say(server, choice & 64 ? "502 no\r\n" : "421 not now\r\n");
        server->closing |= !(choice & 64);
        return;
    }
    server->greeted = true;
    server->is_esmtp = is_esmtp;
    say(server, is_esmtp ? "250-server.example\r\n" : "");
    for (size_t i = 0; i < ELEMENTSOF(keywords) && is_esmtp; i++)
        if (server->offer & 1u << i) {
            say(server, "250-");
            say(server, keywords[i]);
            say(server, "\r\n");
        }
    if (is_esmtp && server->offer & SMTP_CAP_AUTH)
        say(server, mechanisms[choice / 16 % ELEMENTSOF(mechanisms)]);
    say(server, "250 OK\r\n");
}

static void on_starttls(Server *server)
{
    assert(server->greeted && may_use(server, SMTP_CAP_STARTTLS) && !server->tls);
    server->greeted = answer(server, 220) != 220;
}

/* Behind the client's last answer. */
static void end_login(Server *server)
{
    server->logged_in = answer(server, 235) == 235;
}

static void on_auth(Server *server, const char *arguments)
{
    bool is_plain = strncmp(arguments, "PLAIN ", 6) == 0,
         is_login = strcmp(arguments, "LOGIN") == 0;

    check_protected(server);
    assert(server->options->auth.user && may_use(server, SMTP_CAP_AUTH) && !server->logged_in);
    assert(!(is_plain || is_login) || server->tls || server->options->auth.clear_allowed);
    assert(is_plain || is_login || strcmp(arguments, "CRAM-MD5") == 0);
    if (is_plain) {
        assert(strcmp(arguments + 6, "AGpvZQBzZWNyZXQ=") == 0);
        end_login(server);
        return;
    }
    server->auth_answers = is_login ? 2 : 1;
    say(server, is_login ? "334 VXNlcm5hbWU6\r\n" : "334 PDFAYT4=\r\n");
}

static void on_auth_answer(Server *server, const char *line)
{
    bool is_cancelled = strcmp(line, "*") == 0;

    if (!is_cancelled && --server->auth_answers > 0) {
        say(server, "334 UGFzc3dvcmQ6\r\n");
        return;
    }
    server->auth_answers = 0;
    if (is_cancelled)
        say(server, "501 cancelled\r\n");
    else
        end_login(server);
}

static void forget_transaction(Server *server)
{
    server->mail = server->spoilt = server->in_data = false;
    server->n_accepted = 0;
    buffer_clear(&server->content);
}

/* The sender's address has the number of the transaction. */
static void on_mail(Server *server, char *text)
{
    const char *address = check_path(server, text);

    check_protected(server);
    assert(!server->options->auth.user || server->logged_in);
    assert(!server->mail && address[0] >= '0' && address[0] < '0' + SERVER_TRANSACTIONS);
    forget_transaction(server);
    server->current = (size_t)(address[0] - '0');
    server->mail = answer(server, 250) == 250;
}

static void on_rcpt(Server *server, char *text)
{
    const char *address = check_path(server, text);
    size_t i = (size_t)(address[0] - '0');

    assert(i < SERVER_RECIPIENTS);
    if (!server->mail) {
        refuse(server);
        return;
    }
    server->transactions[server->current].accepted[i] = answer(server, 250) == 250;
    server->n_accepted += server->transactions[server->current].accepted[i];
}

static void on_data(Server *server)
{
    if (!server->mail || server->n_accepted == 0)
        refuse(server);
    else
        server->in_data = answer(server, 354) == 354;
}

/* ---- content ---- */

/* What the client had to make of it: CRLF ends all lines, the last one too, and with `dots` those
 * that start with a dot have another one. Byte by byte. */
static void refer(const char *text, bool dots, Buffer *out)
{
    bool at_start = true;

    for (const char *c = text; *c; c++) {
        bool ends = *c == '\r' || *c == '\n';

        if (*c == '\n' && c > text && c[-1] == '\r')
            continue;
        if (at_start && *c == '.' && dots && buffer_append(out, ".", 1) < 0)
            abort();
        if (buffer_append(out, ends ? "\r\n" : c, ends ? 2 : 1) < 0)
            abort();
        at_start = ends;
    }
    if (!at_start && buffer_append(out, "\r\n", 2) < 0)
        abort();
}

/* LMTP: a reply for each that was accepted (RFC 2033, 4.2). */
static void answer_each(Server *server)
{
    ServerTransaction *truth = &server->transactions[server->current];

    for (size_t i = 0; i < SERVER_RECIPIENTS; i++) {
        truth->left_out[i] = !truth->accepted[i] || server->closing || answer(server, 250) != 250;
        truth->taken |= !truth->left_out[i];
    }
}

static void end_content(Server *server, const char *data, size_t n, bool dots)
{
    _cleanup_buffer_ Buffer expected = {0};

    refer(server_content(server->current), dots, &expected);
    assert(buffer_size(&expected) == n && (n == 0 || memcmp(buffer_data(&expected), data, n) == 0));
    if (server->options->lmtp)
        answer_each(server);
    else
        server->transactions[server->current].taken = answer(server, 250) == 250;
    forget_transaction(server);
}

/* All of a message up to its lone dot; how many bytes that were, 0: more come. */
static size_t take_data(Server *server)
{
    const char *data = buffer_data(&server->input), *end;
    size_t n = buffer_size(&server->input);

    if (n >= 3 && memcmp(data, ".\r\n", 3) == 0) {
        end_content(server, data, 0, true);
        return 3;
    }
    end = n > 0 ? memmem(data, n, "\r\n.\r\n", 5) : NULL;
    if (!end)
        return 0;
    end_content(server, data, (size_t)(end - data) + 2, true);
    return (size_t)(end - data) + 5;
}

/* The chunk behind its command, which has `offset` bytes; likewise. */
static size_t take_chunk(Server *server, const char *arguments, size_t offset)
{
    char *rest;
    size_t n = strtoul(arguments, &rest, 10);
    bool is_last = strcmp(rest, " LAST") == 0;

    assert(
        may_use(server, SMTP_CAP_CHUNKING) && server->options->chunking && !server->options->lmtp);
    assert(rest > arguments && (is_last || *rest == '\0'));
    if (buffer_size(&server->input) < offset + n)
        return 0;
    if (!server->mail || server->n_accepted == 0 || server->spoilt) {
        refuse(server);
        return offset + n;
    }
    if (n > 0 && buffer_append(&server->content, buffer_data(&server->input) + offset, n) < 0)
        abort();
    if (is_last)
        end_content(server, buffer_data(&server->content), buffer_size(&server->content), false);
    else
        server->spoilt = answer(server, 250) != 250;
    return offset + n;
}

/* ---- reading ---- */

/* Behind these nothing may follow before their reply (RFC 2920, 3.1; RFC 3207, 4; RFC 4954, 4). */
static bool has_to_wait(const Server *server, const char *line)
{
    return !may_use(server, SMTP_CAP_PIPELINING) || !server->options->pipelining ||
           strncmp(line, "EHLO", 4) == 0 || strncmp(line, "LHLO", 4) == 0 ||
           strncmp(line, "HELO", 4) == 0 || strncmp(line, "AUTH", 4) == 0 ||
           strcmp(line, "STARTTLS") == 0 || strcmp(line, "DATA") == 0 || strcmp(line, "QUIT") == 0;
}

static void on_command(Server *server, char *line)
{
    const char *hello = server->options->lmtp ? "LHLO client.example" : "EHLO client.example";

    if (strcmp(line, hello) == 0 ||
        (!server->options->lmtp && strcmp(line, "HELO client.example") == 0))
        on_greeting(server, *line != 'H');
    else if (strcmp(line, "STARTTLS") == 0)
        on_starttls(server);
    else if (strncmp(line, "AUTH ", 5) == 0)
        on_auth(server, line + 5);
    else if (strncmp(line, "MAIL FROM:", 10) == 0)
        on_mail(server, line + 10);
    else if (strncmp(line, "RCPT TO:", 8) == 0)
        on_rcpt(server, line + 8);
    else if (strcmp(line, "DATA") == 0)
        on_data(server);
    else if (strcmp(line, "RSET") == 0) {
        answer(server, 250);
        forget_transaction(server);
    } else if (strcmp(line, "QUIT") == 0) {
        say(server, "221 bye\r\n");
        server->closing = true;
    } else
        abort();
}

/* One command; how many bytes that were, 0: more come. */
static size_t take_command(Server *server)
{
    const char *data = buffer_data(&server->input), *end;
    size_t n = buffer_size(&server->input), length;
    char line[LINE_BYTES_MAX];
    bool waits;

    end = memmem(data, n, "\r\n", 2);
    if (!end)
        return 0;
    length = (size_t)(end - data);
    assert(length < sizeof(line) && !memchr(data, '\0', length));
    memcpy(line, data, length);
    line[length] = '\0';
    assert(!strpbrk(line, "\r\n"));
    if (strncmp(line, "BDAT ", 5) == 0) {
        length = take_chunk(server, line + 5, length + 2);
        assert(length == 0 || length == n || !has_to_wait(server, "BDAT"));
        return length;
    }
    waits = server->auth_answers > 0 || has_to_wait(server, line);
    assert(!waits || length + 2 == n);
    if (server->auth_answers > 0)
        on_auth_answer(server, line);
    else
        on_command(server, line);
    return length + 2;
}

void server_start(Server *server)
{
    answer(server, 220);
}

void server_receive(Server *server, const char *data, size_t n)
{
    size_t taken;

    if (n == 0)
        return;
    if (buffer_append(&server->input, data, n) < 0)
        abort();
    while (buffer_size(&server->input) > 0 && !server->closing) {
        taken = server->in_data ? take_data(server) : take_command(server);
        if (taken == 0)
            return;
        buffer_consume(&server->input, taken);
    }
}

void server_start_tls(Server *server)
{
    assert(buffer_size(&server->input) == 0);
    server->tls = true;
    server->greeted = server->is_esmtp = server->logged_in = false;
}

void server_done(Server *server)
{
    buffer_done(&server->input);
    buffer_done(&server->output);
    buffer_done(&server->content);
}
