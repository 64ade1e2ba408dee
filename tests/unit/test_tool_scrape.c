/* What is asked for by HTTP, and metrics as text. */
#include <string.h>

#include "tool/exposition.h"
#include "tool/scrape.h"
#include "unit.h"

#define HOST "Host: localhost:9925\r\n"

static Scrape ask(const char *request)
{
    ck_assert(scrape_is_complete(request, strlen(request)));
    return scrape_parse(request, strlen(request));
}

START_TEST(a_request_is_what_it_is)
{
    static const struct {
        const char *request;
        ScrapeKind kind;
    } cases[] = {
        {"GET /metrics HTTP/1.1\r\n" HOST "\r\n", SCRAPE_METRICS},
        {"HEAD /metrics HTTP/1.1\r\n" HOST "\r\n", SCRAPE_METRICS},
        {"GET /metrics HTTP/1.0\n\n", SCRAPE_METRICS},
        {"GET /metrics?name[]=up HTTP/1.1\r\n" HOST "\r\n", SCRAPE_METRICS},
        {"GET http://localhost:9925/metrics HTTP/1.1\r\n" HOST "\r\n", SCRAPE_METRICS},
        {"GET / HTTP/1.1\r\n" HOST "\r\n", SCRAPE_NOT_FOUND},
        {"GET /metrics/ HTTP/1.1\r\n" HOST "\r\n", SCRAPE_NOT_FOUND},
        {"GET /Metrics HTTP/1.1\r\n" HOST "\r\n", SCRAPE_NOT_FOUND},
        {"GET http://localhost HTTP/1.1\r\n" HOST "\r\n", SCRAPE_NOT_FOUND},
        {"GET /../etc/passwd HTTP/1.1\r\n" HOST "\r\n", SCRAPE_NOT_FOUND},
        {"POST /metrics HTTP/1.1\r\n" HOST "\r\n", SCRAPE_NO_METHOD},
        {"get /metrics HTTP/1.1\r\n" HOST "\r\n", SCRAPE_NO_METHOD},
        {"GET /metrics HTTP/2.0\r\n" HOST "\r\n", SCRAPE_NO_VERSION},
        {"GET /metrics HTTP/1.10\r\n" HOST "\r\n", SCRAPE_NO_VERSION},
        {"GET /metrics HTTP/1.1\r\n\r\n", SCRAPE_WRONG},
        {"GET /metrics\r\n\r\n", SCRAPE_WRONG},
        {"GET  /metrics HTTP/1.1\r\n" HOST "\r\n", SCRAPE_WRONG},
        {"GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n", SCRAPE_WRONG},
        {"GET /metrics HTTP/1.1\r\n" HOST ": no name\r\n\r\n", SCRAPE_WRONG},
        {"\r\n", SCRAPE_WRONG},
        {"EHLO x\r\n\r\n", SCRAPE_WRONG},
        {"\x16\x03\x01 / \n\n", SCRAPE_WRONG},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        ck_assert_msg(ask(cases[i].request).kind == cases[i].kind, "%s: %d", cases[i].request,
            ask(cases[i].request).kind);
    ck_assert(ask("HEAD /metrics HTTP/1.0\n\n").head);
    ck_assert(!ask("GET /metrics HTTP/1.0\n\n").head);
}
END_TEST

START_TEST(a_request_is_waited_for_to_its_empty_line)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\n" HOST "\r\n";

    for (size_t n = 0; n < strlen(request); n++)
        ck_assert(!scrape_is_complete(request, n));
}
END_TEST

static bool prefers_open(const char *accept)
{
    char request[400];

    snprintf(request, sizeof(request), "GET /metrics HTTP/1.0\r\nAccept: %s\r\n\r\n", accept);
    return ask(request).open;
}

START_TEST(the_form_is_the_one_preferred)
{
    /* As Prometheus asks. */
    ck_assert(prefers_open("application/openmetrics-text;version=1.0.0;q=0.5,"
                           "application/openmetrics-text;version=0.0.1;q=0.4,"
                           "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"));
    ck_assert(prefers_open("application/openmetrics-text"));
    ck_assert(prefers_open("Application/OpenMetrics-Text ; version=1.0.0 ; charset=utf-8"));
    ck_assert(!prefers_open("application/openmetrics-text;q=0.1,text/plain;q=0.5"));
    ck_assert(!prefers_open("application/openmetrics-text;version=2.0.0"));
    ck_assert(!prefers_open("application/openmetrics-text;q=0"));
    ck_assert(!prefers_open("application/openmetrics-text;q=much"));
    ck_assert(!prefers_open("*/*"));
    ck_assert(!prefers_open("text/html,*/*;q=0.8"));
    ck_assert(!prefers_open(""));
    ck_assert(!ask("GET /metrics HTTP/1.0\n\n").open);
}
END_TEST

START_TEST(an_answer_says_what_it_is)
{
    _cleanup_buffer_ Buffer out = {0};
    Scrape scrape = {.kind = SCRAPE_METRICS, .open = true};

    ck_assert_int_eq(scrape_format_head(&scrape, "now", 12, &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&out),
        "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: application/openmetrics-text; "
        "version=1.0.0; "
        "charset=utf-8\r\nContent-Length: 12\r\nCache-Control: no-store\r\nVary: Accept\r\n"
        "Connection: close\r\n\r\n");
    for (ScrapeKind kind = SCRAPE_METRICS + 1; kind < SCRAPE_KIND_MAX; kind++)
        ck_assert_str_ne(scrape_words(kind), "");
}
END_TEST

static const MetricFamily waits = {"a_seconds", METRIC_GAUGE, "seconds", "How \"long\"\\\nit is."};
static const MetricFamily things = {"things", METRIC_COUNTER, NULL, "Things."};

static const char *write_some(bool open, Buffer *out)
{
    const MetricLabel hostile[] = {{"relay", "a\"b\\c\nd"}, {"state", "\xff"}, {"x", NULL}, {0}},
                      none[] = {{0}};
    Exposition e = {.out = out, .open = open};

    exposition_begin(&e, &waits);
    exposition_seconds(&e, hostile, 12500000);
    exposition_seconds(&e, none, 0);
    exposition_begin(&e, &things);
    exposition_count(&e, none, 3, 1767323045000001);
    ck_assert_int_eq(exposition_end(&e), 0);
    ck_assert_int_eq(buffer_append(out, "", 1), 0);
    return buffer_data(out);
}

START_TEST(labels_end_at_their_quotes)
{
    _cleanup_buffer_ Buffer open = {0}, text = {0};

    ck_assert_str_eq(write_some(true, &open),
        "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n"
        "# HELP a_seconds How \\\"long\\\"\\\\\\nit is.\n"
        "a_seconds{relay=\"a\\\"b\\\\c\\nd\",state=\"\\\\xff\",x=\"\"} 12.5\na_seconds 0.0\n"
        "# TYPE things counter\n# HELP things Things.\nthings_total 3\n"
        "things_created 1767323045.000001\n# EOF\n");
    ck_assert_str_eq(write_some(false, &text),
        "# TYPE a_seconds gauge\n# HELP a_seconds How \"long\"\\\\\\nit is.\n"
        "a_seconds{relay=\"a\\\"b\\\\c\\nd\",state=\"\\\\xff\",x=\"\"} 12.5\na_seconds 0.0\n"
        "# TYPE things_total counter\n# HELP things_total Things.\nthings_total 3\n");
}
END_TEST

START_TEST(a_histogram_adds_up)
{
    static const MetricFamily delay = {"d_seconds", METRIC_HISTOGRAM, "seconds", "Delay."};
    const MetricLabel label[] = {{"daemon", "1"}, {0}};
    const usec_t bounds[] = {100000, USEC_PER_SEC};
    const uint64_t counts[] = {2, 0, 1};
    const MetricHistogram histogram = {bounds, counts, 2, 7 * USEC_PER_SEC};
    _cleanup_buffer_ Buffer out = {0};
    Exposition e = {.out = &out, .open = true};

    exposition_begin(&e, &delay);
    exposition_histogram(&e, label, &histogram, 0);
    ck_assert_int_eq(exposition_end(&e), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&out),
        "# TYPE d_seconds histogram\n# UNIT d_seconds seconds\n# HELP d_seconds Delay.\n"
        "d_seconds_bucket{daemon=\"1\",le=\"0.1\"} 2\nd_seconds_bucket{daemon=\"1\",le=\"1.0\"} 2\n"
        "d_seconds_bucket{daemon=\"1\",le=\"+Inf\"} 3\nd_seconds_count{daemon=\"1\"} 3\n"
        "d_seconds_sum{daemon=\"1\"} 7.0\n# EOF\n");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("tool/scrape");
    TCase *http = tcase_create("http"), *text = tcase_create("text");

    tcase_add_test(http, a_request_is_what_it_is);
    tcase_add_test(http, a_request_is_waited_for_to_its_empty_line);
    tcase_add_test(http, the_form_is_the_one_preferred);
    tcase_add_test(http, an_answer_says_what_it_is);
    tcase_add_test(text, labels_end_at_their_quotes);
    tcase_add_test(text, a_histogram_adds_up);
    suite_add_tcase(suite, http);
    suite_add_tcase(suite, text);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
