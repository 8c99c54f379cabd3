package com.aliyun.batchcompute.job.logcount;

import com.aliyun.batchcompute.job.logcount.pojo.Counts;
import com.aliyun.batchcompute.job.logcount.util.Config;
import com.aliyun.batchcompute.job.logcount.util.Store;

/** Last step: adds up what the instances counted. */
public final class Merge {
    public static void main(String[] args) throws Exception {
        Config config = new Config();
        Store store = new Store(config);
        Counts total = Counts.of("");
        for (int part = 0; part < Config.PARTS; part++) {
            total.add(Counts.parse(store.read(config.beside("count_results/" + part + ".json"))));
        }
        System.out.println(total);
        store.write(config.beside("merge_result.json"), total.toString());
    }
}
