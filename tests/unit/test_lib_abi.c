/* Sizes, places and numbers that programs were compiled with. None of these ever changes: a
 * structure gets members at its end, and its size here with them. */
#include <outbox/outbox.h>

#include "unit.h"

#define AT(structure, member, place) \
    _Static_assert(offsetof(structure, member) == (place) * sizeof(void *), #structure "." #member)

AT(OutboxEvents, size, 0);
AT(OutboxEvents, user, 1);
AT(OutboxEvents, connection_status, 2);
AT(OutboxEvents, start_transfer, 3);
AT(OutboxEvents, transfer, 4);
AT(OutboxEvents, end_transfer, 5);
AT(OutboxEvents, error, 6);
AT(OutboxEvents, recipient, 7);
AT(OutboxEvents, expand, 8);
AT(OutboxEvents, trace, 9);
AT(OutboxEvents, server_certificate, 10);
AT(OutboxEvents, tls_status, 11);

AT(OutboxOutcome, recipient, 0);
_Static_assert(
    offsetof(OutboxOutcome, error) == sizeof(void *) + sizeof(int), "OutboxOutcome.error");
_Static_assert(
    offsetof(OutboxOutcome, code) == sizeof(void *) + 2 * sizeof(int), "OutboxOutcome.code");

AT(OutboxStream, read, 0);
AT(OutboxStream, close, 1);
AT(OutboxStream, user, 2);

AT(OutboxPart, size, 0);
AT(OutboxPart, path, 1);
AT(OutboxPart, data, 2);
AT(OutboxPart, n, 3);
AT(OutboxPart, name, 4);
AT(OutboxPart, type, 5);
AT(OutboxPart, content_id, 6);

AT(OutboxStore, size, 0);
AT(OutboxStore, type, 1);
AT(OutboxStore, store, 2);
AT(OutboxStore, n, 3);
AT(OutboxStore, password, 4);
AT(OutboxStore, subject, 5);
AT(OutboxStore, encoded, 6);
AT(OutboxStore, n_encoded, 7);

AT(OutboxHeader, field, 0);
AT(OutboxHeader, value, 1);

_Static_assert(OUTBOX_DELIVERED == 0 && OUTBOX_DEFERRED == 1 && OUTBOX_REFUSED == 2, "kinds");
_Static_assert(
    OUTBOX_RECIPIENT_TO == 0 && OUTBOX_RECIPIENT_CC == 1 && OUTBOX_RECIPIENT_BCC == 2, "kinds");
_Static_assert(OUTBOX_TEXT == 0 && OUTBOX_HTML == 1 && OUTBOX_RAW == 2, "what");
_Static_assert(
    OUTBOX_DIRECTION_CLIENT == 0 && OUTBOX_DIRECTION_SERVER == 1 && OUTBOX_DIRECTION_INFO == 2,
    "directions");

/* A program that was compiled when the table ended earlier. */
START_TEST(bears_a_shorter_table)
{
    OutboxClient *client = outbox_client_new();
    const OutboxEvents events = {.size = offsetof(OutboxEvents, transfer)};

    ck_assert_int_eq(outbox_set_events(client, &events), 0);
    ck_assert_int_eq(outbox_send(client, NULL), OUTBOX_ERROR_NO_MAIL_SERVER);
    outbox_client_free(client);
}
END_TEST

START_TEST(names_errors)
{
    ck_assert_str_eq(outbox_error_name(0), "");
    ck_assert_str_eq(outbox_error_name(OUTBOX_ERROR_TIMEOUT), "Timeout.");
    ck_assert_int_eq(outbox_error_status(0), 0);
    ck_assert_int_ne(outbox_error_status(OUTBOX_ERROR_TIMEOUT), 0);
    ck_assert_str_eq(outbox_version(), OUTBOX_VERSION);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/abi");
    TCase *tests = tcase_create("lib/abi");

    tcase_add_test(tests, bears_a_shorter_table);
    tcase_add_test(tests, names_errors);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
