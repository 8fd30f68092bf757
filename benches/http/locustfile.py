"""Users of Locust that make requests at a fixed rate together: RATE a second, by USERS users."""

import os

from locust import FastHttpUser, constant_throughput, task


class Visitor(FastHttpUser):
    wait_time = constant_throughput(float(os.environ["RATE"]) / float(os.environ["USERS"]))

    @task
    def get(self):
        self.client.get("/")
