/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/dedup.h"

struct entry {
    struct entry *chain; /* same bucket */
    struct entry *newer; /* by age */
    uint64_t hash;
    int64_t id, at_ms;
    size_t size;
    char key[];
};
struct dedup {
    int64_t window_ms;
    size_t count, count_max, bucket_count;
    struct entry **buckets;
    struct entry *oldest, *newest;
};

static uint64_t hash_of(struct slice key) {
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ (uint8_t)key.data[i]) * 0x100000001b3U;
    return hash ^ (hash >> 32);
}

struct dedup *dedup_new(int64_t window_ms, size_t count_max) {
    must(window_ms > 0 && count_max > 0);
    struct dedup *dedup = memory_new(sizeof *dedup);
    dedup->window_ms = window_ms;
    dedup->count_max = count_max;
    dedup->bucket_count = 64;
    while (dedup->bucket_count < count_max && dedup->bucket_count < (1U << 16))
        dedup->bucket_count *= 2;
    dedup->buckets = memory_array(dedup->bucket_count, sizeof(struct entry *));
    return dedup;
}

static struct entry **place_of(const struct dedup *dedup, struct slice key, uint64_t hash) {
    struct entry **place = &dedup->buckets[hash & (dedup->bucket_count - 1)];
    while (*place && !((*place)->hash == hash &&
                       slice_equal((struct slice){(*place)->key, (*place)->size}, key)))
        place = &(*place)->chain;
    return place;
}

static void drop(struct dedup *dedup, struct entry **place) {
    struct entry *entry = *place;
    *place = entry->chain;
    /* Nearly always the oldest goes; the walk is for dedup_forget(), which is rare. */
    struct entry *previous = NULL, **before = &dedup->oldest;
    for (; *before != entry; before = &(*before)->newer)
        previous = *before;
    *before = entry->newer;
    if (dedup->newest == entry)
        dedup->newest = previous;
    dedup->count--;
    free(entry);
}

static void drop_oldest(struct dedup *dedup) {
    struct entry *entry = dedup->oldest;
    drop(dedup, place_of(dedup, (struct slice){entry->key, entry->size}, entry->hash));
}

struct dedup *dedup_free(struct dedup *dedup) {
    if (!dedup)
        return NULL;
    while (dedup->oldest)
        drop_oldest(dedup);
    free(dedup->buckets);
    free(dedup);
    return NULL;
}

int64_t dedup_find(struct dedup *dedup, struct slice key, int64_t now) {
    while (dedup->oldest && now - dedup->oldest->at_ms >= dedup->window_ms)
        drop_oldest(dedup);
    struct entry *entry = *place_of(dedup, key, hash_of(key));
    return entry ? entry->id : 0;
}

void dedup_put(struct dedup *dedup, struct slice key, int64_t id, int64_t now) {
    must(id != 0 && dedup_find(dedup, key, now) == 0);
    if (dedup->count == dedup->count_max)
        drop_oldest(dedup);
    struct entry *entry = memory_new(sizeof *entry + key.size);
    entry->hash = hash_of(key);
    entry->id = id;
    entry->at_ms = now;
    entry->size = key.size;
    memcpy(entry->key, key.data, key.size);
    struct entry **bucket = &dedup->buckets[entry->hash & (dedup->bucket_count - 1)];
    entry->chain = *bucket;
    *bucket = entry;
    *(dedup->newest ? &dedup->newest->newer : &dedup->oldest) = entry;
    dedup->newest = entry;
    dedup->count++;
}

void dedup_forget(struct dedup *dedup, struct slice key) {
    struct entry **place = place_of(dedup, key, hash_of(key));
    if (*place)
        drop(dedup, place);
}

size_t dedup_count(const struct dedup *dedup) {
    return dedup->count;
}
