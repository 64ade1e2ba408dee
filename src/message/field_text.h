/* Texts of people in a field that is being written: what is not ASCII becomes encoded words (RFC
 * 2047), and so does what no blank lets be folded. Inside the layer only. */
#pragma once

#include "message/field.h"

/* Unstructured text (RFC 5322, 2.2.1), UTF-8 without control characters; blanks at its ends are
 * left out. Encoded words that are in it already stay; what only holds one is text. */
void field_put_text(FieldWriter *w, const char *text, size_t n);

/* A display name (RFC 5322, 3.2.5): as it is when it is made of atoms or encoded words, else quoted
 * or encoded. */
void field_put_phrase(FieldWriter *w, const char *name, size_t n);

/* The same of which all is encoded, whatever it is, so that it is read as it stands here. */
void field_put_encoded(FieldWriter *w, const char *text, size_t n);

/* A parameter of a structured value (RFC 2045, 5.1): a token, or quoted. What is not ASCII or too
 * long for a line goes as RFC 2231 has it, with a plain form beside it for those who do not read
 * that. */
void field_put_parameter(FieldWriter *w, const char *name, const char *value);
