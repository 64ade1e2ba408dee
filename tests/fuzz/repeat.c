/* Long inputs of short ones; in a fuzzer, one of its mutations. */
#include "repeat.h"

#define FEW_MAX 16

Repeat repeat_choose(RepeatKind kind, const uint8_t *data, size_t size, uint64_t random)
{
    size_t at = random % size, end = at + 1, other;

    random /= size;
    switch (kind) {
    case REPEAT_BYTE: break;
    case REPEAT_FEW: end = MIN(at + 2 + random % (FEW_MAX - 1), size); break;
    case REPEAT_LINE:
        while (at > 0 && data[at - 1] != '\n')
            at--;
        while (end < size && data[end - 1] != '\n')
            end++;
        break;
    case REPEAT_PAIR:
        other = random % size;
        if (other != at)
            return (Repeat){MIN(at, other), MIN(at, other) + 1, MAX(at, other), MAX(at, other) + 1};
        break;
    case REPEAT_ALL:
    case REPEAT_KIND_MAX: at = 0, end = size; break;
    }
    return (Repeat){at, end, end, end};
}

static int append_times(Buffer *out, const uint8_t *piece, size_t n, size_t times)
{
    int r = 0;

    if (n == 0)
        return 0;
    for (; times > 0 && r == 0; times--)
        r = buffer_append(out, piece, n);
    return r;
}

int repeat_make(const Repeat *repeat, const uint8_t *data, size_t size, size_t max, Buffer *out)
{
    size_t n_first = repeat->first_end - repeat->first;
    size_t n_second = repeat->second_end - repeat->second;
    size_t times = 1 + (max > size ? max - size : 0) / (n_first + n_second);
    int r = buffer_append(out, data, repeat->first);

    if (r == 0)
        r = append_times(out, data + repeat->first, n_first, times);
    if (r == 0)
        r = buffer_append(out, data + repeat->first_end, repeat->second - repeat->first_end);
    if (r == 0)
        r = append_times(out, data + repeat->second, n_second, times);
    if (r == 0)
        r = buffer_append(out, data + repeat->second_end, size - repeat->second_end);
    return r;
}

#ifdef FUZZER

#include <string.h>

#define REPEAT_EVERY 64 /* mutations: long inputs take long */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    _cleanup_buffer_ Buffer made = {0};
    unsigned random = seed / REPEAT_EVERY;
    Repeat repeat;

    if (seed % REPEAT_EVERY != 0 || size == 0 || size > max)
        return LLVMFuzzerMutate(data, size, max);
    repeat =
        repeat_choose((RepeatKind)(random % REPEAT_KIND_MAX), data, size, random / REPEAT_KIND_MAX);
    if (repeat_make(&repeat, data, size, max, &made) < 0)
        return size;
    memcpy(data, buffer_data(&made), buffer_size(&made));
    return buffer_size(&made);
}

#endif
