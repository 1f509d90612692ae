"""Stand-ins for the services whose requests are signed. Each recomputes the signature of every
request with the vendor's own code, and only then looks at what is asked; Route 53 is moto. What is
held is kept here, so that a test can look at it and set what an owner would.

They have a clock of their own (`ahead`, seconds) and turn away what is older or newer than five
minutes by it, as the real ones do."""

import http.client
import json
import re
import threading
import time
import urllib.parse
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from xml.etree import ElementTree

from alibabacloud_tea_openapi.utils import Utils as Aliyun
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from tencentcloud.common.abstract_client import AbstractClient

ZONE = "example.com"
ID, SECRET = "AKIDEXAMPLE0123456789", "wJalrXUtnFEMI+K7MDENG/bPxRfiCYEXAMPLE=="
WINDOW = 300


def stamp(text):
    digits = re.sub(r"\D", "", text)
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc).timestamp()


class Service:
    """One vendor on a port of its own."""

    # Options of its account, those that a wrong secret is put in last.
    options = {}

    def __init__(self):
        self.ahead = 0
        self.good = self.bad = self.late = self.writes = 0
        self.log = []
        self.sets = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet, or each reply waits for a delayed ACK.
            wbufsize = -1

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                split = urllib.parse.urlsplit(self.path)
                query = urllib.parse.parse_qsl(split.query, keep_blank_values=True)
                request = SimpleNamespace(
                    method=self.command, target=self.path, path=split.path, raw=split.query,
                    query=query, args=dict(query), body=body,
                    headers={name.lower(): value for name, value in self.headers.items()})
                try:
                    status, reply = service.answer(request)
                except Exception as why:
                    status, reply = 599, f"stand-in: {why!r}"
                    service.log.append(reply)
                if not isinstance(reply, (str, bytes)):
                    reply = json.dumps(reply)
                reply = reply.encode() if isinstance(reply, str) else reply
                self.send_response_only(status)
                self.send_header("Date", formatdate(service.now(), usegmt=True))
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def now(self):
        return time.time() + self.ahead

    def answer(self, request):
        """Refuses what is not signed right, or at the wrong time; the rest is `act`'s."""
        sent, when = request.headers.get("authorization", ""), self.when(request)
        if when is None or self.proof(request) != sent:
            self.bad += 1
            self.log.append(f"{request.method} {request.target}: sent {sent!r}")
            return self.refuse()
        if abs(when - self.now()) > WINDOW:
            self.late += 1
            return self.too_late()
        self.good += 1
        return self.act(request)

    @staticmethod
    def signed(request):
        """The headers that the request says are signed."""
        found = re.search(r"SignedHeaders=([^,]+),", request.headers.get("authorization", ""))
        return {name: request.headers[name] for name in found.group(1).split(";")} if found else {}

    def hold(self, name, rtype, values, ttl):
        """What an owner set, and what is to stay with it."""
        raise NotImplementedError

    def held(self):
        """{(name, type): (values, ttl, what is to stay)}"""
        raise NotImplementedError


class Route53(Service):
    id = "route53"
    options = {"access_key_id": ID, "secret_access_key": SECRET}

    def __init__(self, moto):
        super().__init__()
        import boto3
        self.moto = moto
        self.client = boto3.client(
            "route53", endpoint_url=f"http://127.0.0.1:{moto}", region_name="us-east-1",
            aws_access_key_id=ID, aws_secret_access_key=SECRET)
        for name in ("example.net", ZONE, "com"):
            made = self.client.create_hosted_zone(Name=name, CallerReference=name)
            if name == ZONE:
                self.zone = made["HostedZone"]["Id"]
        self.seen = []

    def when(self, request):
        text = request.headers.get("x-amz-date")
        return text and stamp(text)

    def proof(self, request):
        copy = AWSRequest(request.method, self.url + request.target, data=request.body,
                          headers=self.signed(request))
        copy.context["timestamp"] = request.headers["x-amz-date"]
        auth = SigV4Auth(Credentials(ID, SECRET), "route53", "us-east-1")
        signature = auth.signature(auth.string_to_sign(copy, auth.canonical_request(copy)), copy)
        names = ";".join(self.signed(request))
        day = request.headers["x-amz-date"][:8]
        return (f"AWS4-HMAC-SHA256 Credential={ID}/{day}/us-east-1/route53/aws4_request, "
                f"SignedHeaders={names}, Signature={signature}")

    @staticmethod
    def error(status, code, text):
        return status, (
            '<?xml version="1.0"?>\n<ErrorResponse xmlns="https://route53.amazonaws.com/doc/'
            f'2013-04-01/"><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message>'
            "</Error><RequestId>q-1</RequestId></ErrorResponse>")

    def refuse(self):
        return self.error(403, "SignatureDoesNotMatch", "The request signature we calculated does "
                          "not match the signature you provided.")

    def too_late(self):
        return self.error(403, "SignatureDoesNotMatch", "Signature expired: it is now later")

    def act(self, request):
        self.seen.append(request)
        self.writes += request.method != "GET"
        if request.body:
            ElementTree.fromstring(request.body)
        link = http.client.HTTPConnection("127.0.0.1", self.moto, timeout=20)
        link.request(request.method, request.target, request.body or None,
                     {**request.headers, "connection": "close"})
        reply = link.getresponse()
        return reply.status, reply.read()

    def hold(self, name, rtype, values, ttl):
        self.client.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": [
            {"Action": "UPSERT", "ResourceRecordSet": {
                "Name": name, "Type": rtype, "TTL": ttl,
                "ResourceRecords": [{"Value": value} for value in values]}}]})

    def held(self):
        reply = self.client.list_resource_record_sets(HostedZoneId=self.zone)
        return {(one["Name"].rstrip(".").replace("\\052", "*"), one["Type"]):
                ([value["Value"] for value in one["ResourceRecords"]], one["TTL"], None)
                for one in reply["ResourceRecordSets"] if one["Type"] in ("A", "AAAA")}


class Records(Service):
    """Services that keep single records."""

    def __init__(self):
        super().__init__()
        self.records = {}
        self.last = 9000

    def put(self, name, rtype, value, ttl, line, stays=None, number=None):
        """A record by its number, or a new one; the number."""
        self.writes += 1
        if number is None:
            self.last += 1
            number = self.last
        old = self.records.get(number, {})
        self.records[number] = {"name": name, "type": rtype, "value": value, "ttl": int(ttl),
                                "line": line, "stays": stays or old.get("stays")}
        return number

    def hold(self, name, rtype, values, ttl):
        for number, record in list(self.records.items()):
            if (self.full(record["name"]), record["type"]) == (name, rtype):
                del self.records[number]
        for value in values:
            self.put(name.removesuffix("." + ZONE) if name != ZONE else "@", rtype, value, ttl,
                     "odd=1", ["the router", 20])

    @staticmethod
    def full(name):
        return ZONE if name == "@" else f"{name}.{ZONE}"

    def held(self):
        found = {}
        for record in self.records.values():
            found.setdefault((self.full(record["name"]), record["type"]), (
                [], record["ttl"], [record["line"], record["stays"]]))[0].append(record["value"])
        return found


class Tencent(Records):
    id = "tencentcloud"
    options = {"secret_id": ID, "secret_key": SECRET}

    def when(self, request):
        text = request.headers.get("x-tc-timestamp", "")
        return float(text) if text.isdigit() else None

    def proof(self, request):
        seconds = request.headers["x-tc-timestamp"]
        day = datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%d")
        headers = {"Content-Type": request.headers["content-type"],
                   "Host": request.headers["host"], "X-TC-Timestamp": seconds}
        get = request.method == "GET"
        copy = SimpleNamespace(uri=request.path, method=request.method, header=headers,
                               data=request.raw if get else request.body)
        signature = AbstractClient._get_tc3_signature(None, None, copy, day, "dnspod", SECRET)
        return (f"TC3-HMAC-SHA256 Credential={ID}/{day}/dnspod/tc3_request, "
                f"SignedHeaders=content-type;host, Signature={signature}")

    @staticmethod
    def error(code, text):
        return 200, {"Response": {"Error": {"Code": code, "Message": text}, "RequestId": "r"}}

    def refuse(self):
        return self.error("AuthFailure.SignatureFailure", "The signature could not be validated.")

    def too_late(self):
        return self.error("AuthFailure.SignatureExpire", "The signature has expired.")

    def act(self, request):
        action, args = request.headers["x-tc-action"], request.args
        assert request.headers["x-tc-version"] == "2021-03-23"
        if request.method == "POST":
            args = json.loads(request.body)
        reply = {"RequestId": "r"}
        if action == "DescribeDomainList":
            reply["DomainList"] = [{"Name": name, "DomainId": 1} for name in ("example.net", ZONE)]
        elif args["Domain"] != ZONE:
            return self.error("InvalidParameterValue.DomainNotExists", "No such domain.")
        elif action == "DescribeRecordList":
            found = [{"RecordId": number, "Name": one["name"], "Type": one["type"],
                      "Value": one["value"], "TTL": one["ttl"], "Line": "odd", "Weight": None,
                      "LineId": one["line"]} for number, one in self.records.items()
                     if one["name"] == args.get("Subdomain", one["name"])]
            if not found and args.get("ErrorOnEmpty") != "no":
                return self.error("ResourceNotFound.NoDataOfRecord", "No records.")
            reply["RecordList"] = found
        elif action == "ModifyDynamicDNS":
            old = self.records[args["RecordId"]]
            reply["RecordId"] = self.put(
                args.get("SubDomain", "@"), old["type"], args["Value"], args.get("Ttl", 600),
                args.get("RecordLineId", args["RecordLine"]), number=args["RecordId"])
        elif action == "CreateRecord":
            assert args["RecordLine"] == "\u9ed8\u8ba4"
            reply["RecordId"] = self.put(args["SubDomain"], args["RecordType"], args["Value"],
                                         args.get("TTL", 600), "0")
        else:
            return self.error("InvalidAction", action)
        return 200, {"Response": reply}


class Alidns(Records):
    id = "aliyun"
    options = {"access_key_id": ID, "access_key_secret": SECRET}

    def when(self, request):
        text = request.headers.get("x-acs-date")
        return text and stamp(text)

    def proof(self, request):
        signed = self.signed(request)
        need = {"host", *(name for name in request.headers if name.startswith("x-acs-"))}
        assert need <= set(signed), "a header that must be signed is not"
        copy = SimpleNamespace(method=request.method, pathname=request.path, query=request.args,
                               headers=signed)
        payload = Aliyun.hex_encode(Aliyun.hash(request.body, "ACS3-HMAC-SHA256"))
        assert payload == request.headers["x-acs-content-sha256"]
        return Aliyun.get_authorization(copy, "ACS3-HMAC-SHA256", payload, ID, SECRET)

    @staticmethod
    def error(status, code, text):
        return status, {"RequestId": "R", "HostId": "alidns.aliyuncs.com", "Code": code,
                        "Message": text}

    def refuse(self):
        return self.error(400, "SignatureDoesNotMatch", f"Not matched. string to sign: {ID}")

    def too_late(self):
        return self.error(400, "InvalidTimeStamp.Expired", "The time stamp is expired.")

    def act(self, request):
        action, args = request.headers["x-acs-action"], request.args
        assert request.headers["x-acs-version"] == "2015-01-09" and request.method == "POST"
        reply = {"RequestId": "R", "PageNumber": 1, "PageSize": int(args.get("PageSize", 20))}
        if action == "DescribeDomains":
            reply |= {"TotalCount": 2, "Domains": {"Domain": [
                {"DomainName": name} for name in ("example.net", ZONE)]}}
        elif action in ("DescribeDomainRecords", "DescribeSubDomainRecords"):
            if args["DomainName"] != ZONE:
                return self.error(400, "InvalidDomainName.NoExist", "No such domain.")
            wanted = args.get("SubDomain")
            found = [{"RecordId": str(number), "RR": one["name"], "Type": one["type"],
                      "Value": one["value"], "TTL": one["ttl"], "Line": one["line"],
                      "DomainName": ZONE, "Status": "ENABLE", "Locked": False}
                     for number, one in self.records.items()
                     if wanted in (None, self.full(one["name"]))]
            reply |= {"TotalCount": len(found), "DomainRecords": {"Record": found}}
        elif action == "UpdateDomainRecord":
            number = int(args["RecordId"])
            self.put(args["RR"], args["Type"], args["Value"], args.get("TTL", 600),
                     args.get("Line", "default"), number=number)
            reply["RecordId"] = str(number)
        elif action == "AddDomainRecord":
            reply["RecordId"] = str(self.put(args["RR"], args["Type"], args["Value"],
                                             args.get("TTL", 600), args.get("Line", "default")))
        else:
            return self.error(404, "InvalidAction.NotFound", action)
        return 200, reply


class Huawei(Service):
    id = "huaweicloud"
    options = {"access_key": ID, "secret_key": SECRET}

    def when(self, request):
        text = request.headers.get("x-sdk-date")
        return text and stamp(text)

    def proof(self, request):
        headers = dict(self.signed(request))
        # The signer knows this one by its own spelling.
        headers["X-Sdk-Date"] = headers.pop("x-sdk-date")
        copy = SdkRequest(method=request.method, schema="http", host=request.headers["host"],
                          resource_path=request.path, uri=None, query_params=request.query,
                          header_params=headers, body=request.body.decode(), stream=False)
        return Signer(BasicCredentials(ID, SECRET, "p")).sign(copy).header_params["Authorization"]

    @staticmethod
    def gateway(text):
        return 401, {"error_code": "APIGW.0301", "request_id": "q", "error_msg":
                     "Incorrect IAM authentication information: " + text}

    def refuse(self):
        return self.gateway("verify aksk signature fail")

    def too_late(self):
        return self.gateway("x-sdk-date expired")

    def shown(self, number):
        one = self.sets[number]
        return {"id": number, "zone_id": "z1", "status": "ACTIVE", "default": False, **one}

    def act(self, request):
        body = json.loads(request.body) if request.body else {}
        where = request.path.removeprefix("/v2.1/zones/z1/recordsets").strip("/")
        if request.path == "/v2/zones":
            part = request.args.get("name", "")
            zones = [{"id": f"z{place}", "name": name, "status": "ACTIVE"}
                     for place, name in enumerate(("example.net.", ZONE + ".", "my." + ZONE + "."))]
            return 200, {"zones": [one for one in zones if part in one["name"]]}
        if not request.path.startswith("/v2.1/zones/z1/recordsets"):
            return 404, {"code": "DNS.0302", "message": "This Zone does not exist."}
        if request.method == "GET":
            part = request.args.get("name", "")
            found = [self.shown(number) for number in self.sets
                     if part in self.sets[number]["name"]]
            return 200, {"recordsets": found, "metadata": {"total_count": len(found)}}
        self.writes += 1
        if request.method == "POST":
            number = f"s{self.writes}"
            self.sets[number] = {"name": body["name"], "type": body["type"],
                                 "ttl": body.get("ttl", 300), "records": body["records"],
                                 "line": "default_view", "weight": None, "description": None}
            return 202, self.shown(number)
        changed = []
        for one in body.get("recordsets", [{**body, "id": where}]):
            held = self.sets[one["id"]]
            held |= {"records": one["records"], "ttl": one.get("ttl", 300),
                     "weight": one.get("weight"),
                     "description": one.get("description", held["description"])}
            changed.append(self.shown(one["id"]))
        return 202, changed[0] if where else {"recordsets": changed}

    def hold(self, name, rtype, values, ttl):
        for number, one in list(self.sets.items()):
            if (one["name"], one["type"]) == (name + ".", rtype):
                del self.sets[number]
        self.writes += 1
        self.sets[f"own{self.writes}"] = {
            "name": name + ".", "type": rtype, "ttl": ttl, "records": values,
            "line": "Dianxin", "weight": 20, "description": "the router"}

    def held(self):
        return {(one["name"].rstrip("."), one["type"]):
                (one["records"], one["ttl"], [one["line"], one["weight"], one["description"]])
                for one in self.sets.values()}


class Dnspod(Records):
    """A token instead of a signature, and a name that programs must have."""

    id = "dnspod"
    options = {"token": f"12345,{ID}"}

    @staticmethod
    def error(code, text):
        return 200, {"status": {"code": code, "message": text}}

    def answer(self, request):
        args = dict(urllib.parse.parse_qsl(request.body.decode()))
        agent = request.headers.get("user-agent", "")
        if not re.fullmatch(r"\w+/[\d.]+\([^@ ]+@[\w.-]+\)", agent) or request.method != "POST":
            return self.error("2", f"not a program's name: {agent}")
        if args["login_token"] != self.options["token"] or args["format"] != "json":
            self.bad += 1
            return self.error("-1", "Login failed")
        self.good += 1
        status = {"code": "1", "message": "Action completed successful"}
        action = request.path.strip("/")
        if action == "Domain.List":
            return 200, {"status": status, "domains": [
                {"id": place, "name": name, "punycode": name}
                for place, name in enumerate(("example.net", ZONE))]}
        if args.get("domain") != ZONE and args.get("domain_id") != "1":
            return self.error("6", "Domain id invalid")
        if action == "Record.List":
            found = [{"id": str(number), "name": one["name"], "type": one["type"],
                      "value": one["value"], "ttl": str(one["ttl"]), "line": "odd",
                      "line_id": one["line"], "enabled": "1", "weight": None}
                     for number, one in self.records.items()
                     if one["name"] == args.get("sub_domain", one["name"])]
            if not found and args["error_on_empty"] != "no":
                return self.error("10", "No records")
            return 200, {"status": status, "records": found}
        number = args.get("record_id")
        if (number is None) != (action == "Record.Create"):
            return self.error("8", "Record id invalid")
        number = self.put(args.get("sub_domain", "@"), args["record_type"], args["value"],
                          args.get("ttl", 600), args["record_line_id"],
                          number=number and int(number))
        return 200, {"status": status, "record": {
            "id": number, "name": args["sub_domain"], "value": args["value"]}}
