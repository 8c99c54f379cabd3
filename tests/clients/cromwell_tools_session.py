"""One session with cromwell-tools: prints what the server said, as JSON. Called with the server's URL and a folder."""

import json
import sys
import warnings

warnings.simplefilter("ignore")
from cromwell_tools.cromwell_api import CromwellAPI  # noqa: E402
from cromwell_tools.cromwell_auth import CromwellAuth  # noqa: E402

url, folder = sys.argv[1:]
auth = CromwellAuth.harmonize_credentials(url=url, username="nobody", password="nothing")
submitted = CromwellAPI.submit(
    auth,
    folder + "/hello.wdl",
    [folder + "/inputs.json"],
    options_file=folder + "/options.json",
    label_file=folder + "/labels.json",
    on_hold=True,
    raise_for_status=True,
).json()
run = submitted["id"]
released = CromwellAPI.release_hold(run, auth, raise_for_status=True).json()
CromwellAPI.wait([run], auth, timeout_minutes=2, poll_interval_seconds=1, verbose=False)
found = CromwellAPI.query({"label": ["lab:x"], "status": ["Succeeded"], "name": ["wf"]}, auth, raise_for_status=True).json()
answers = {
    "submitted": submitted["status"],
    "released": released["status"],
    "status": CromwellAPI.status(run, auth, raise_for_status=True).json()["status"],
    "metadata": CromwellAPI.metadata(run, auth, includeKey=["status"], raise_for_status=True).json(),
    "found": [result["id"] for result in found["results"]],
    "labels": CromwellAPI.patch_labels(run, {"more": "yes"}, auth, raise_for_status=True).json()["labels"],
    "health": CromwellAPI.health(auth, raise_for_status=True).json(),
    "abort": CromwellAPI.abort(run, auth).status_code,
    "run": run,
}
print(json.dumps(answers))
