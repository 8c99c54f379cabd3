package com.aliyun.batchcompute.job.logcount.pojo;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How often each level occurs. */
public final class Counts {
    private static final String[] LEVELS = {"INFO", "WARN", "ERROR", "DEBUG"};
    private static final Pattern ENTRY = Pattern.compile("\"(\\w+)\"\\s*:\\s*(\\d+)");

    private final Map<String, Long> values = new LinkedHashMap<>();

    /** Counts the levels of a text. */
    public static Counts of(String text) {
        Counts counts = new Counts();
        for (String level : LEVELS) {
            counts.values.put(level, Pattern.compile(level).matcher(text).results().count());
        }
        return counts;
    }

    /** Reads what {@link #toString} writes. */
    public static Counts parse(String json) {
        Counts counts = new Counts();
        Matcher entries = ENTRY.matcher(json);
        while (entries.find()) {
            counts.values.put(entries.group(1), Long.valueOf(entries.group(2)));
        }
        return counts;
    }

    public void add(Counts more) {
        more.values.forEach((level, count) -> values.merge(level, count, Long::sum));
    }

    @Override
    public String toString() {
        StringBuilder json = new StringBuilder("{");
        values.forEach((level, count) -> json.append(json.length() > 1 ? ", " : "").append('"').append(level).append("\": ").append(count));
        return json.append("}").toString();
    }
}
