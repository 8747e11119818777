# Runs SQL with chDB: one query a line in, one line of JSON out, timed in here.
import json, resource, sys, time
from chdb import session

connection = session.Session(sys.argv[1])
for line in sys.stdin:
    answer = {"rows": [], "seconds": 0.0}
    begin = time.perf_counter()
    try:
        text = str(connection.query(line, "JSONCompactEachRow"))
        answer["seconds"] = time.perf_counter() - begin
        answer["rows"] = [json.loads(row) for row in text.splitlines() if row]
    except Exception as error:
        answer["error"] = str(error)
    used = resource.getrusage(resource.RUSAGE_SELF)
    answer["cpu"] = used.ru_utime + used.ru_stime
    answer["peak_megabytes"] = used.ru_maxrss / 1000
    print(json.dumps(answer), flush=True)
