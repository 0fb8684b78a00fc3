"""What the dashboard shows, row by row. dashboard.py makes Grafana's file of it; run that after every change here."""

from panel import RATE, Panel, Query, Row, mean, one

MODEL = 'model=~"$model"'
ANSWERED = 'outcome=~"certified|abstained|refuted|undecided"'

ROWS = (
    Row(
        "At a glance",
        4,
        (
            Panel(
                title="Certificates per second",
                kind="stat",
                width=4,
                queries=one(f"sum(rate(soundproof_certifications_total{{{MODEL},{ANSWERED}}}{RATE}))"),
                about="Answers: certified and abstained, and a gate's verdicts. Those from the store count too.",
            ),
            Panel(
                title="Noise samples per second",
                kind="stat",
                width=4,
                queries=one(f"sum(rate(soundproof_noise_samples_total{{{MODEL}}}{RATE}))"),
            ),
            Panel(
                title="95 % are answered within",
                kind="stat",
                width=4,
                unit="s",
                queries=one(
                    "histogram_quantile(0.95, sum by (le) "
                    f'(rate(soundproof_http_request_seconds_bucket{{route="/certify"}}{RATE})))'
                ),
            ),
            Panel(title="Waiting", kind="stat", width=4, queries=one("sum(soundproof_queue_waiting)")),
            Panel(
                title="Available, last hour",
                kind="stat",
                width=4,
                unit="percentunit",
                red_below=0.995,
                queries=one("1 - soundproof:http_errors:ratio_rate1h"),
                about="Requests that were not answered with a fault of the service. Objective: 99.5 %.",
            ),
            Panel(
                title="Alerts",
                kind="stat",
                width=4,
                red_from=1,
                queries=one('count(ALERTS{alertstate="firing"}) or vector(0)'),
            ),
        ),
    ),
    Row(
        "Throughput",
        9,
        (
            Panel(
                title="Certificates per second, by model and contract",
                width=12,
                stacked=True,
                queries=one(
                    f"sum by (model, contract) (rate(soundproof_certifications_total{{{MODEL},{ANSWERED}}}{RATE}))",
                    "{{model}} · {{contract}}",
                ),
            ),
            Panel(
                title="Noise samples per second, by model and contract",
                width=12,
                stacked=True,
                queries=one(
                    f"sum by (model, contract) (rate(soundproof_noise_samples_total{{{MODEL}}}{RATE}))",
                    "{{model}} · {{contract}}",
                ),
            ),
        ),
    ),
    Row(
        "Latency",
        9,
        (
            Panel(
                title="POST /certify, from arrival to answer",
                kind="heatmap",
                width=12,
                unit="s",
                queries=one(
                    f'sum by (le) (rate(soundproof_http_request_seconds_bucket{{route="/certify"}}{RATE}))', "{{le}}"
                ),
            ),
            Panel(
                title="Where the time of a certification goes",
                width=12,
                unit="s",
                stacked=True,
                about="Means. In the queue includes the loading of a model.",
                queries=tuple(
                    Query(mean(f"soundproof_certification_{stage}_seconds"), legend)
                    for stage, legend in (
                        ("queue", "in the queue"),
                        ("prepare", "preparing the clip"),
                        ("sampling", "sampling"),
                        ("store", "signing and storing"),
                    )
                ),
            ),
        ),
    ),
    Row(
        "Queue and workers",
        8,
        (
            Panel(
                title="Certifications",
                width=8,
                queries=(
                    Query("sum(soundproof_queue_depth)", "admitted"),
                    Query("sum(soundproof_queue_waiting)", "of these, waiting"),
                ),
            ),
            Panel(
                title="The oldest waits since",
                width=8,
                unit="s",
                queries=one("max(soundproof_queue_oldest_seconds)", "oldest"),
            ),
            Panel(
                title="Use of the workers",
                width=8,
                unit="percentunit",
                most=1,
                about="Messages filled: the share of what a worker takes at once that it was given.",
                queries=(
                    Query(f"rate(soundproof_worker_busy_seconds_total{RATE})", "busy, {{device}}"),
                    Query("soundproof:worker_occupancy:ratio_rate5m", "messages filled"),
                ),
            ),
        ),
    ),
    Row(
        "Outcomes",
        8,
        (
            Panel(
                title="How certifications end",
                width=8,
                stacked=True,
                queries=one(
                    f'sum by (outcome) (rate(soundproof_certifications_total{{model=~"$model"}}{RATE}))', "{{outcome}}"
                ),
            ),
            Panel(
                title="Abstentions, of all answers within an hour",
                width=8,
                unit="percentunit",
                most=1,
                queries=one(f"model:soundproof_abstentions:ratio_rate1h{{{MODEL}}}", "{{model}}"),
            ),
            Panel(
                title="Refused requests, by code",
                width=8,
                stacked=True,
                queries=one(f'sum by (code) (rate(soundproof_problems_total{{code!="not_ready"}}{RATE}))', "{{code}}"),
            ),
        ),
    ),
    Row(
        "Certified SNR",
        8,
        (
            Panel(
                title="SNR down to which answers are certified (lower is stronger)",
                kind="heatmap",
                width=16,
                unit="dB",
                queries=one(f"sum by (le) (rate(soundproof_snr_cert_db_bucket{{{MODEL}}}{RATE}))", "{{le}}"),
            ),
            Panel(
                title="Median, by model",
                width=8,
                unit="dB",
                queries=one(
                    f"histogram_quantile(0.5, sum by (le, model) (rate(soundproof_snr_cert_db_bucket{{{MODEL}}}[5m])))",
                    "{{model}}",
                ),
            ),
        ),
    ),
    Row(
        "Jobs and store",
        8,
        (
            Panel(
                title="Clips of jobs, by state",
                width=6,
                stacked=True,
                queries=one("sum by (state) (soundproof_job_clips)", "{{state}}"),
            ),
            Panel(
                title="The oldest clip waits since",
                width=4,
                unit="s",
                queries=one("max(soundproof_job_oldest_waiting_seconds)", "oldest"),
                about="Of those that wait in the store, since their job was handed in.",
            ),
            Panel(title="Jobs", kind="bargauge", width=4, queries=one("sum by (state) (soundproof_jobs)", "{{state}}")),
            Panel(
                title="Answered from the store, per second",
                width=4,
                queries=one(f"sum(rate(soundproof_cache_hits_total{RATE}))", "from the store"),
            ),
            Panel(
                title="Clips unaccounted for",
                kind="stat",
                width=3,
                red_from=1,
                queries=one("abs(sum(soundproof_job_clips_accepted) - sum(soundproof_job_clips))"),
            ),
            Panel(title="Store", kind="stat", width=3, red_below=1, queries=one("min(soundproof_store_up)")),
        ),
    ),
    Row(
        "Devices",
        8,
        (
            Panel(
                title="Silence of busy workers",
                width=6,
                unit="s",
                queries=one("soundproof_worker_heartbeat_age_seconds", "{{device}}"),
            ),
            Panel(
                title="Restarts and halved chunks, within 15 minutes",
                width=6,
                queries=(
                    Query("sum(increase(soundproof_worker_losses_total[15m]))", "workers restarted"),
                    Query("sum by (device) (increase(soundproof_memory_halvings_total[15m]))", "halved, {{device}}"),
                ),
            ),
            Panel(
                title="GPU memory",
                width=6,
                unit="percentunit",
                most=1,
                queries=one("soundproof_device_memory_used_bytes / soundproof_device_memory_bytes", "{{device}}"),
            ),
            Panel(
                title="GPU utilization",
                width=6,
                unit="percentunit",
                most=1,
                queries=one("soundproof_device_utilization_ratio", "{{device}}"),
            ),
        ),
    ),
    Row(
        "API keys",
        7,
        (
            Panel(
                title="Work by key, noise samples x clip samples per second",
                width=12,
                stacked=True,
                queries=one(f"sum by (key) (rate(soundproof_key_cost_total{RATE}))", "{{key}}"),
            ),
            Panel(
                title="Share of its budget that a key has left",
                width=12,
                unit="percentunit",
                most=1,
                about="Of keys that have a budget. At 0 its requests are answered 429.",
                queries=one("min by (key) (soundproof_key_budget_left_ratio)", "{{key}}"),
            ),
        ),
    ),
    Row(
        "Process",
        8,
        (
            Panel(
                title="HTTP requests per second, by route",
                width=6,
                stacked=True,
                queries=one(f"sum by (route) (rate(soundproof_http_requests_total{RATE}))", "{{route}}"),
            ),
            Panel(
                title="Cores of the API process",
                width=6,
                queries=one(f'rate(process_cpu_seconds_total{{job="soundproof"}}{RATE})', "{{instance}}"),
            ),
            Panel(
                title="Memory",
                width=6,
                unit="bytes",
                queries=(
                    Query('process_resident_memory_bytes{job="soundproof"}', "API process"),
                    Query("sum(soundproof_models_loaded_bytes)", "models, in the workers"),
                ),
            ),
            Panel(title="Open files", width=6, queries=one('process_open_fds{job="soundproof"}', "{{instance}}")),
        ),
    ),
)
