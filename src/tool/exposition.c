/* Writing metrics down. Must never let a label end before its quote. */
#include "tool/exposition.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define SECONDS_MAX 40

static void put(Exposition *e, const char *text)
{
    if (e->error == 0)
        e->error = buffer_append_string(e->out, text);
}

/* Of help a quote is escaped in OpenMetrics alone. */
static void put_escaped(Exposition *e, const char *text, bool quote)
{
    for (const char *c = text; *c != '\0'; c++) {
        char one[] = {*c, '\0'};

        put(e, *c == '\\' ? "\\\\" : *c == '\n' ? "\\n" : *c == '"' && quote ? "\\\"" : one);
    }
}

/* A value of a stranger's may be no UTF-8, which would spoil the whole text. */
static void put_value(Exposition *e, const char *value)
{
    _cleanup_free_
    char *printable = NULL;
    size_t n = strlen(value);

    if (!text_is_utf8(value, n)) {
        value = printable = text_printable_whole(value, n);
        e->error = value ? e->error : -ENOMEM;
    }
    if (value)
        put_escaped(e, value, true);
}

static void put_labels(Exposition *e, const MetricLabel *labels)
{
    for (const MetricLabel *label = labels; label->name; label++) {
        put(e, label == labels ? "{" : ",");
        put(e, label->name);
        put(e, "=\"");
        put_value(e, label->value ?: "");
        put(e, "\"");
    }
    put(e, labels->name ? "}" : "");
}

/* "12.5": no locale has its own point in it. */
static const char *format_seconds(usec_t value, char text[static SECONDS_MAX])
{
    size_t n = (size_t)snprintf(text, SECONDS_MAX, "%llu.%06llu",
        (unsigned long long)(value / USEC_PER_SEC), (unsigned long long)(value % USEC_PER_SEC));

    while (text[n - 1] == '0' && text[n - 2] != '.')
        text[--n] = '\0';
    return text;
}

static void put_sample(
    Exposition *e, const char *suffix, const MetricLabel *labels, const char *value)
{
    put(e, e->family->name);
    put(e, suffix);
    put_labels(e, labels);
    put(e, " ");
    put(e, value);
    put(e, "\n");
}

static void put_number(Exposition *e, const char *suffix, const MetricLabel *labels, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    put_sample(e, suffix, labels, text);
}

/* "# TYPE name word": a family is named as its samples are in the form before OpenMetrics. */
static void put_about(Exposition *e, const char *what, const char *suffix, const char *text)
{
    put(e, "# ");
    put(e, what);
    put(e, " ");
    put(e, e->family->name);
    put(e, suffix);
    put(e, " ");
    put_escaped(e, text, e->open);
    put(e, "\n");
}

static const char *suffix_of(const MetricFamily *family)
{
    return family->type == METRIC_COUNTER ? "_total" : family->type == METRIC_INFO ? "_info" : "";
}

void exposition_begin(Exposition *e, const MetricFamily *family)
{
    static const char *const words[] = {[METRIC_GAUGE] = "gauge",
        [METRIC_COUNTER] = "counter",
        [METRIC_HISTOGRAM] = "histogram",
        [METRIC_INFO] = "info"};
    const char *suffix = e->open ? "" : suffix_of(family);

    e->family = family;
    put_about(e, "TYPE", suffix,
        !e->open && family->type == METRIC_INFO ? words[METRIC_GAUGE] : words[family->type]);
    if (e->open && family->unit)
        put_about(e, "UNIT", suffix, family->unit);
    put_about(e, "HELP", suffix, family->help);
}

void exposition_number(Exposition *e, const MetricLabel *labels, uint64_t value)
{
    put_number(e, suffix_of(e->family), labels, value);
}

void exposition_seconds(Exposition *e, const MetricLabel *labels, usec_t value)
{
    char text[SECONDS_MAX];

    put_sample(e, suffix_of(e->family), labels, format_seconds(value, text));
}

static void put_created(Exposition *e, const MetricLabel *labels, usec_t created)
{
    char text[SECONDS_MAX];

    if (e->open && created > 0)
        put_sample(e, "_created", labels, format_seconds(created, text));
}

void exposition_count(Exposition *e, const MetricLabel *labels, uint64_t value, usec_t created)
{
    put_number(e, "_total", labels, value);
    put_created(e, labels, created);
}

void exposition_histogram(
    Exposition *e, const MetricLabel *label, const MetricHistogram *h, usec_t created)
{
    char edge[SECONDS_MAX], sum[SECONDS_MAX];
    uint64_t n = 0;

    for (size_t i = 0; i <= h->n; i++) {
        const MetricLabel labels[] = {
            *label, {"le", i < h->n ? format_seconds(h->bounds[i], edge) : "+Inf"}, {0}};

        n += h->counts[i];
        put_number(e, "_bucket", label->name ? labels : labels + 1, n);
    }
    put_number(e, "_count", label, n);
    put_sample(e, "_sum", label, format_seconds(h->sum, sum));
    put_created(e, label, created);
}

int exposition_end(Exposition *e)
{
    if (e->open)
        put(e, "# EOF\n");
    return e->error;
}
