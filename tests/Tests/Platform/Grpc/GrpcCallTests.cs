using System.Net;
using System.Net.Sockets;
using System.Text;
using Atoll.Platform.Grpc;
using Atoll.Platform.Grpc.Messages;
using Atoll.Tests.Platform.Grpc.Messages;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using ServingStatus = Atoll.Platform.Grpc.Messages.HealthCheckResponse.Types.ServingStatus;

namespace Atoll.Tests.Platform.Grpc;

/// <summary>The wire protocol of gRPC: framing, statuses, deadlines, compression, streams, and what broken clients send.</summary>
public sealed class GrpcCallTests(EchoServer server) : IClassFixture<EchoServer>, IDisposable
{
    private const string One = "/atoll.tests.Echo/One";
    private const string Reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

    private readonly GrpcTestClient _client = new(server.Address);

    public void Dispose() => _client.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5_000)]
    [InlineData(99_000)]
    public async Task A_message_comes_back_as_it_was_sent(int length)
    {
        var sent = new EchoMessage { Text = new string('x', length), Number = -7 };
        var (got, answer) = await _client.CallAsync<EchoMessage>(One, sent);
        Assert.Equal(sent, got);
        Assert.Equal((HttpStatusCode.OK, StatusCode.OK, "application/grpc"), (answer.Http, answer.Status, answer.Metadata["content-type"]));
        Assert.DoesNotContain("grpc-encoding", answer.Metadata.Keys);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task Messages_may_be_compressed_in_both_directions(string encoding)
    {
        var sent = new EchoMessage { Text = new string('x', 50_000) };
        var answer = await _client.SendAsync(One, GrpcTestClient.Frame(sent.ToByteArray(), encoding), ("grpc-encoding", encoding), ("grpc-accept-encoding", $"identity, {encoding}"));
        Assert.Equal(encoding, answer.Metadata["grpc-encoding"]);
        Assert.Equal(sent, EchoMessage.Parser.ParseFrom(Assert.Single(answer.Messages)));

        // A client that does not take it gets what it takes; a message that is not compressed may be among compressed ones.
        answer = await _client.SendAsync(One, GrpcTestClient.Frame(sent.ToByteArray()), ("grpc-encoding", encoding), ("grpc-accept-encoding", "identity"));
        Assert.DoesNotContain("grpc-encoding", answer.Metadata.Keys);
        Assert.Equal(sent, EchoMessage.Parser.ParseFrom(Assert.Single(answer.Messages)));
    }

    [Fact]
    public async Task An_unknown_compression_is_refused_with_those_that_are_known()
    {
        var answer = await _client.SendAsync(One, GrpcTestClient.Frame([]), ("grpc-encoding", "zstd"));
        Assert.Equal((StatusCode.Unimplemented, "identity,gzip,deflate"), (answer.Status, answer.Metadata["grpc-accept-encoding"]));
    }

    [Theory]
    [InlineData("refuse", (int)StatusCode.FailedPrecondition, "50 % of\nit is naïve 🙂")]
    [InlineData("problem", (int)StatusCode.Unavailable, "Too many. Wait.")]
    public async Task A_refusal_is_one_frame_with_status_message_and_metadata(string text, int status, string message)
    {
        var (_, answer) = await _client.CallAsync<EchoMessage>(One, new EchoMessage { Text = text });
        Assert.Equal((HttpStatusCode.OK, (StatusCode)status, message), (answer.Http, answer.Status, answer.Message));
        Assert.Empty(answer.Messages);
        Assert.Equal(text == "refuse", answer.Metadata.GetValueOrDefault("x-reason") == "because");
        Assert.Equal(text == "problem", answer.Metadata.GetValueOrDefault("grpc-retry-pushback-ms") == "2000");
        Assert.Equal(text == "problem", answer.Metadata.GetValueOrDefault("retry-after") == "2");
    }

    [Fact]
    public async Task A_bug_is_internal_and_tells_nothing_of_itself()
    {
        var (_, answer) = await _client.CallAsync<EchoMessage>(One, new EchoMessage { Text = "fail" });
        Assert.Equal((HttpStatusCode.OK, StatusCode.Internal), (answer.Http, answer.Status));
        Assert.DoesNotContain("secret", answer.Message);

        // The same after messages were sent.
        answer = await _client.SendAsync("/atoll.tests.Echo/Count", GrpcTestClient.Frame(new EchoMessage { Text = "fail", Number = 2 }.ToByteArray()));
        Assert.Equal((2, StatusCode.Internal), (answer.Messages.Count, answer.Status));
        Assert.DoesNotContain("secret", answer.Message);
    }

    [Fact]
    public async Task Metadata_reaches_the_handler()
    {
        var (got, _) = await _client.CallAsync<EchoMessage>(One, new EchoMessage { Text = "metadata" }, ("x-name", "value"), ("grpc-timeout", "2H"));
        Assert.Equal("value", got!.Text);
        Assert.Equal(server.Clock.GetUtcNow().UtcDateTime.AddHours(2).Ticks, got.Number);
    }

    [Fact]
    public async Task A_call_ends_when_its_deadline_passes()
    {
        var call = _client.CallAsync<EchoMessage>(One, new EchoMessage { Text = "wait" }, ("x-name", "deadline"), ("grpc-timeout", "1500m"));
        var waiting = await WaitingAsync("deadline");
        server.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.False(waiting.Task.IsCompleted);
        server.Clock.Advance(TimeSpan.FromSeconds(1));
        await waiting.Task;
        Assert.Equal(StatusCode.DeadlineExceeded, (await call).Answer.Status);
    }

    [Fact]
    public async Task A_deadline_that_has_passed_already_runs_nothing()
    {
        var (_, answer) = await _client.CallAsync<EchoMessage>(One, new EchoMessage { Text = "wait" }, ("x-name", "never"), ("grpc-timeout", "0n"));
        Assert.Equal(StatusCode.DeadlineExceeded, answer.Status);
        Assert.DoesNotContain("never", server.Service.Waiting.Keys);
    }

    [Fact]
    public async Task A_client_that_goes_away_ends_its_call()
    {
        using (var stream = _client.Open(One, ("x-name", "gone"), ("grpc-timeout", "99999999H")))
        {
            await stream.WriteAsync(new EchoMessage { Text = "wait" });
            stream.Complete();
            await WaitingAsync("gone");
            _client.Dispose();
        }
        await (await WaitingAsync("gone")).Task;
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("S")]
    [InlineData("5s")]
    [InlineData("-5S")]
    [InlineData("123456789S")]
    public async Task A_timeout_that_cannot_be_read_is_refused(string timeout)
    {
        var (_, answer) = await _client.CallAsync<EchoMessage>(One, new EchoMessage(), ("grpc-timeout", timeout));
        Assert.Equal(StatusCode.InvalidArgument, answer.Status);
        Assert.Contains("grpc-timeout", answer.Message);
    }

    [Theory]
    [InlineData("0n", 0)]
    [InlineData("99n", 0)]
    [InlineData("100n", 1)]
    [InlineData("7u", 70)]
    [InlineData("7m", 70_000)]
    [InlineData("7S", 70_000_000)]
    [InlineData("7M", 4_200_000_000)]
    [InlineData("7H", 252_000_000_000)]
    [InlineData("99999999H", 25_920_000_000_000)]
    public void Timeouts_are_read_in_every_unit(string text, long ticks)
    {
        Assert.True(GrpcTimeout.TryParse(text, out var timeout));
        Assert.Equal(ticks, timeout.Ticks);
    }

    /// <summary>Bodies in hexadecimal, and the status that answers them.</summary>
    public static TheoryData<string, int, string> BrokenBodies => new()
    {
        { "", (int)StatusCode.Internal, "no message" },
        { "00", (int)StatusCode.Internal, "middle of a message" },
        { "0000000005" + "0801", (int)StatusCode.Internal, "middle of a message" },
        { "0000000000" + "0000000000", (int)StatusCode.Internal, "more than the one message" },
        { "0000000000" + "00", (int)StatusCode.Internal, "more than the one message" },
        { "0200000000", (int)StatusCode.Internal, "unknown flag 2" },
        { "0100000001" + "00", (int)StatusCode.Internal, "grpc-encoding" },
        { "00FFFFFFFF", (int)StatusCode.ResourceExhausted, "larger than 100000 bytes" },
        { "00000186A1", (int)StatusCode.ResourceExhausted, "Atoll:RequestBytesMax" },
        { "0000000001" + "FF", (int)StatusCode.InvalidArgument, "cannot be read" },
        { "0000000003" + "0A05FF", (int)StatusCode.InvalidArgument, "cannot be read" },
    };

    [Theory]
    [MemberData(nameof(BrokenBodies))]
    public async Task A_broken_body_is_refused_with_a_reason(string hex, int status, string fragment)
    {
        var answer = await _client.SendAsync(One, Convert.FromHexString(hex));
        Assert.Equal((StatusCode)status, answer.Status);
        Assert.Contains(fragment, answer.Message);
    }

    [Fact]
    public async Task What_becomes_too_large_when_it_is_unpacked_is_refused()
    {
        foreach (var encoding in (string[])["gzip", "deflate"])
        {
            var bomb = GrpcTestClient.Frame(new byte[EchoServer.MessageBytesMax * 50], encoding);
            Assert.True(bomb.Length < EchoServer.MessageBytesMax);
            var answer = await _client.SendAsync(One, bomb, ("grpc-encoding", encoding));
            Assert.Equal(StatusCode.ResourceExhausted, answer.Status);
            answer = await _client.SendAsync(One, [1, 0, 0, 0, 3, 1, 2, 3], ("grpc-encoding", encoding));
            Assert.Equal(StatusCode.InvalidArgument, answer.Status);
        }
    }

    [Theory]
    [InlineData("/atoll.tests.Echo/Two")]
    [InlineData("/atoll.tests.Other/One")]
    [InlineData("/")]
    public async Task What_is_not_there_is_unimplemented(string method)
    {
        var answer = await _client.SendAsync(method, GrpcTestClient.Frame([]));
        Assert.Equal((HttpStatusCode.OK, StatusCode.Unimplemented), (answer.Http, answer.Status));
        Assert.Contains(method, answer.Message);
    }

    [Fact]
    public async Task Requests_that_are_not_of_grpc_are_refused_in_the_words_of_http()
    {
        using var http = new HttpClient { BaseAddress = new Uri(server.Address) };
        using var json = await http.PostAsync(One, new StringContent("{}", Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, json.StatusCode);
        using var content = new ByteArrayContent([]);
        content.Headers.ContentType = new("application/grpc");
        using var old = await http.PostAsync(One, content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.UpgradeRequired, old.StatusCode);
        Assert.Contains("HTTP/2", await old.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        var answer = await _client.SendAsync(One, GrpcTestClient.Frame([]), ("content-type", "application/grpc+proto"));
        Assert.Equal(StatusCode.OK, answer.Status);
        answer = await _client.SendAsync(One, GrpcTestClient.Frame([]), ("content-type", "application/grpcx"));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, answer.Http);
    }

    [Fact]
    public async Task Streams_of_each_kind_carry_every_message()
    {
        var bodies = Enumerable.Range(1, 100).SelectMany(i => GrpcTestClient.Frame(new EchoMessage { Number = i, Text = "x" }.ToByteArray())).ToArray();
        var sum = await _client.SendAsync("/atoll.tests.Echo/Sum", bodies);
        Assert.Equal(new EchoMessage { Number = 5050, Text = new string('x', 100) }, EchoMessage.Parser.ParseFrom(Assert.Single(sum.Messages)));
        sum = await _client.SendAsync("/atoll.tests.Echo/Sum", []);
        Assert.Equal((1, StatusCode.OK), (sum.Messages.Count, sum.Status));

        var counted = await _client.SendAsync("/atoll.tests.Echo/Count", GrpcTestClient.Frame(new EchoMessage { Number = 1000 }.ToByteArray()));
        Assert.Equal(Enumerable.Range(1, 1000).Select(i => (long)i), counted.Messages.Select(message => EchoMessage.Parser.ParseFrom(message).Number));
        var nothing = await _client.SendAsync("/atoll.tests.Echo/Count", GrpcTestClient.Frame([]));
        Assert.Equal((0, StatusCode.OK), (nothing.Messages.Count, nothing.Status));
        var refused = await _client.SendAsync("/atoll.tests.Echo/Count", GrpcTestClient.Frame(new EchoMessage { Number = 3, Text = "refuse" }.ToByteArray()));
        Assert.Equal((3, StatusCode.Aborted, "enough"), (refused.Messages.Count, refused.Status, refused.Message));

        using var each = _client.Open("/atoll.tests.Echo/Each");
        for (var i = 0; i < 20; i++)
        {
            await each.WriteAsync(new EchoMessage { Number = i });
            Assert.Equal(i, (await each.ReadAsync<EchoMessage>())!.Number);
        }
        each.Complete();
        Assert.Null(await each.ReadAsync<EchoMessage>());
        Assert.Equal(StatusCode.OK, (await each.EndAsync()).Status);
    }

    [Fact]
    public async Task A_stream_may_be_larger_than_any_message()
    {
        var one = GrpcTestClient.Frame(new EchoMessage { Text = new string('x', 90_000), Number = 1 }.ToByteArray());
        using var stream = _client.Open("/atoll.tests.Echo/Each");
        for (var i = 0; i < 20; i++)
        {
            await stream.WriteAsync(one);
            Assert.Equal(1, (await stream.ReadAsync<EchoMessage>())!.Number);
        }
        await stream.WriteAsync([0, 0, 0xFF, 0, 0]);
        Assert.Null(await stream.ReadAsync<EchoMessage>());
        Assert.Equal(StatusCode.ResourceExhausted, (await stream.EndAsync()).Status);
    }

    [Fact]
    public async Task Whatever_bytes_come_a_status_answers_and_the_server_goes_on()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var i = 0; i < 300; i++)
        {
            var body = GrpcTestClient.Frame(new EchoMessage { Text = new string('x', random.Next(50)), Number = random.NextInt64() }.ToByteArray(), random.Next(3) == 0 ? "gzip" : null);
            switch (random.Next(4))
            {
                case 0: body = body[..random.Next(body.Length)]; break;
                case 1: random.NextBytes(body); break;
                case 2: body = [.. body, .. body[..random.Next(body.Length)]]; break;
                default: body[random.Next(body.Length)] ^= (byte)(1 << random.Next(8)); break;
            }
            foreach (var method in (string[])["One", "Sum", "Each"])
            {
                var answer = await _client.SendAsync($"/atoll.tests.Echo/{method}", body, ("grpc-encoding", "gzip"));
                Assert.True(answer.Status is not null, $"seed {seed}, try {i}: HTTP {answer.Http}, no status, for {method} {Convert.ToHexString(body)}");
                Assert.True(answer.Status is StatusCode.OK || !answer.Message.Contains("The server failed", StringComparison.Ordinal), $"seed {seed}, try {i}: {answer.Message} for {method} {Convert.ToHexString(body)}");
            }
        }
        Assert.NotNull((await _client.CallAsync<EchoMessage>(One, new EchoMessage())).Response);
    }

    [Fact]
    public async Task Health_tells_what_is_served_and_that_the_server_stops()
    {
        var own = new EchoServer();
        await own.InitializeAsync();
        using var client = new GrpcTestClient(own.Address);
        foreach (var service in (string[])["", "atoll.tests.Echo", "grpc.health.v1.Health"])
        {
            var (response, _) = await client.CallAsync<HealthCheckResponse>("/grpc.health.v1.Health/Check", new HealthCheckRequest { Service = service });
            Assert.Equal(ServingStatus.Serving, response!.Status);
        }
        Assert.Equal(StatusCode.NotFound, (await client.CallAsync<HealthCheckResponse>("/grpc.health.v1.Health/Check", new HealthCheckRequest { Service = "x" })).Answer.Status);

        using var known = client.Open("/grpc.health.v1.Health/Watch");
        using var unknown = client.Open("/grpc.health.v1.Health/Watch");
        await known.WriteAsync(new HealthCheckRequest());
        known.Complete();
        await unknown.WriteAsync(new HealthCheckRequest { Service = "x" });
        unknown.Complete();
        Assert.Equal(ServingStatus.Serving, (await known.ReadAsync<HealthCheckResponse>())!.Status);
        Assert.Equal(ServingStatus.ServiceUnknown, (await unknown.ReadAsync<HealthCheckResponse>())!.Status);
        var stopped = own.StopAsync();
        Assert.Equal(ServingStatus.NotServing, (await known.ReadAsync<HealthCheckResponse>())!.Status);
        Assert.Null(await known.ReadAsync<HealthCheckResponse>());
        Assert.Null(await unknown.ReadAsync<HealthCheckResponse>());
        Assert.Equal(StatusCode.Unavailable, (await known.EndAsync()).Status);
        await stopped;
        await own.DisposeAsync();
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v1alpha")]
    public async Task Reflection_gives_the_descriptions_of_what_is_served(string version)
    {
        using var stream = _client.Open($"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        var services = await AskAsync(new ServerReflectionRequest { ListServices = "" });
        Assert.Equal(
            ["atoll.tests.Echo", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"],
            services.ListServicesResponse.Service.Select(service => service.Name).Order(StringComparer.Ordinal));
        foreach (var symbol in (string[])["atoll.tests.Echo", "atoll.tests.Echo.One", "atoll.tests.EchoMessage"])
        {
            var file = await AskAsync(new ServerReflectionRequest { FileContainingSymbol = symbol });
            Assert.Equal(EchoReflection.Descriptor.SerializedData, Assert.Single(file.FileDescriptorResponse.FileDescriptorProto));
        }
        Assert.Single((await AskAsync(new ServerReflectionRequest { FileByFilename = "grpc/health/v1/health.proto" })).FileDescriptorResponse.FileDescriptorProto);
        Assert.Empty((await AskAsync(new ServerReflectionRequest { AllExtensionNumbersOfType = "atoll.tests.EchoMessage" })).AllExtensionNumbersResponse.ExtensionNumber);
        Assert.Equal((int)StatusCode.NotFound, (await AskAsync(new ServerReflectionRequest { FileContainingSymbol = "nothing" })).ErrorResponse.ErrorCode);
        Assert.Equal((int)StatusCode.NotFound, (await AskAsync(new ServerReflectionRequest { FileContainingExtension = new ExtensionRequest { ContainingType = "x" } })).ErrorResponse.ErrorCode);
        Assert.Equal((int)StatusCode.InvalidArgument, (await AskAsync(new ServerReflectionRequest())).ErrorResponse.ErrorCode);
        stream.Complete();
        Assert.Null(await stream.ReadAsync<ServerReflectionResponse>());

        async Task<ServerReflectionResponse> AskAsync(ServerReflectionRequest request)
        {
            await stream.WriteAsync(request);
            var response = (await stream.ReadAsync<ServerReflectionResponse>())!;
            Assert.Equal(request, response.OriginalRequest);
            return response;
        }
    }

    [Fact]
    public async Task Reflection_answers_nobody_with_much_more_than_was_sent()
    {
        // A long host, and a field that the .proto does not have.
        ServerReflectionRequest With(int length) => new() { Host = new string('h', length), ListServices = "" };
        byte[] unknown = [0x9A, 0x06, 0x80, 0x04, .. new byte[512]];
        var plain = await AskAsync(new ServerReflectionRequest { ListServices = "" }.ToByteArray());
        Assert.Equal(plain, await AskAsync([.. new ServerReflectionRequest { ListServices = "" }.ToByteArray(), .. unknown]));
        Assert.Equal(500, ServerReflectionResponse.Parser.ParseFrom(await AskAsync(With(500).ToByteArray())).ValidHost.Length);
        var answer = ServerReflectionResponse.Parser.ParseFrom(await AskAsync(With(10_000).ToByteArray()));
        Assert.Equal(("", null), (answer.ValidHost, answer.OriginalRequest));
        Assert.NotEmpty(answer.ListServicesResponse.Service);

        async Task<byte[]> AskAsync(byte[] request) => Assert.Single((await _client.SendAsync(Reflection, GrpcTestClient.Frame(request))).Messages);
    }

    [Theory]
    [InlineData(Reflection)]
    [InlineData("/grpc.health.v1.Health/Check")]
    [InlineData("/grpc.health.v1.Health/Watch")]
    public async Task Methods_for_anybody_take_small_messages_only(string method)
    {
        var large = new byte[17 << 10];
        foreach (var (body, encoding) in ((byte[], string)[])[(GrpcTestClient.Frame(large), "identity"), (GrpcTestClient.Frame(large, "gzip"), "gzip")])
        {
            var answer = await _client.SendAsync(method, body, ("grpc-encoding", encoding));
            Assert.Equal(StatusCode.ResourceExhausted, answer.Status);
            Assert.Contains("16384 bytes", answer.Message);
            Assert.DoesNotContain("Atoll:RequestBytesMax", answer.Message);
        }
    }

    [Theory]
    [InlineData(true, false, true)]
    [InlineData(true, true, false)]
    [InlineData(false, false, false)]
    public void Only_streams_of_known_callers_may_be_as_slow_as_they_like(bool isStream, bool isForAnybody, bool isSlow)
    {
        var http = new DefaultHttpContext();
        var rate = new Rate();
        http.Features.Set<IHttpMinRequestBodyDataRateFeature>(rate);
        using var call = ServerCallContext.Start(http, server.Clock);
        call.LiftBodyLimits(isStream, isForAnybody);
        Assert.Equal(isSlow, rate.MinDataRate is null);
    }

    private sealed class Rate : IHttpMinRequestBodyDataRateFeature
    {
        public MinDataRate? MinDataRate { get; set; } = new(240, TimeSpan.FromSeconds(5));
    }

    private async Task<TaskCompletionSource> WaitingAsync(string name)
    {
        while (true)
        {
            if (server.Service.Waiting.TryGetValue(name, out var waiting)) return waiting;
            await Task.Yield();
        }
    }
}
