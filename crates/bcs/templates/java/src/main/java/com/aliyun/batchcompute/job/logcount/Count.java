package com.aliyun.batchcompute.job.logcount;

import com.aliyun.batchcompute.job.logcount.pojo.Counts;
import com.aliyun.batchcompute.job.logcount.util.Config;
import com.aliyun.batchcompute.job.logcount.util.Store;

/** Second step: each instance counts the levels in its part of the log. */
public final class Count {
    public static void main(String[] args) throws Exception {
        Config config = new Config();
        Store store = new Store(config);
        String number = System.getenv("BATCH_COMPUTE_DAG_INSTANCE_ID");
        Counts counts = Counts.of(store.read(config.beside("split_results/" + number + ".txt")));
        System.out.println(counts);
        store.write(config.beside("count_results/" + number + ".json"), counts.toString());
    }
}
