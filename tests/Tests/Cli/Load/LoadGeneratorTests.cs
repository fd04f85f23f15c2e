using System.Net;
using System.Net.Sockets;
using System.Text;
using Atoll.Cli.Load;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Atoll.Tests.Cli.Load;

public sealed class LoadGeneratorTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_request_arrives_whole_however_small_the_server_s_windows_are(bool isHttp2)
    {
        var body = new byte[300_000];
        new Random(5).NextBytes(body);
        long arrived = 0, wrong = 0;
        await using var server = await StartAsync(async http =>
        {
            var sent = new MemoryStream();
            await http.Request.Body.CopyToAsync(sent, http.RequestAborted);
            if (!sent.ToArray().AsSpan().SequenceEqual(body) || http.Request.Headers.Authorization != "Bearer secret" || http.Request.Path != "/v2/models/m 2/infer") Interlocked.Increment(ref wrong);
            Interlocked.Increment(ref arrived);
            await http.Response.WriteAsync(new string('x', 70_000), http.RequestAborted);
        });
        var report = await LoadGenerator.RunAsync(
            Plan(server) with { IsHttp2 = isHttp2, Models = ["m 2"], Body = new RequestBody(body, "application/json", null, 1), Connections = 2, InFlight = isHttp2 ? 8 : 2, RequestsMax = 40 }, TimeProvider.System, Cancel);
        Assert.Equal((40, 40, 40, 0), (report.Begun, report.Done, arrived, wrong));
        Assert.Empty(report.Errors);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Failures_are_counted_by_status_with_the_words_of_the_first(bool isHttp2)
    {
        var count = 0;
        await using var server = await StartAsync(async http =>
        {
            http.Response.StatusCode = (Interlocked.Increment(ref count) % 4) switch { 0 => 429, 1 => 503, _ => 200 };
            await http.Response.WriteAsync(http.Response.StatusCode == 200 ? "{}" : "not now", http.RequestAborted);
        });
        var report = await LoadGenerator.RunAsync(Plan(server) with { IsHttp2 = isHttp2, RequestsMax = 100 }, TimeProvider.System, Cancel);
        Assert.Equal((50, 25, 25), (report.Done, report.Errors["429"], report.Errors["503"]));
        Assert.Equal(2, report.Errors.Count);
        Assert.Equal("not now", report.FirstFailure);
    }

    [Fact]
    public async Task A_grpc_status_is_a_failure_though_http_is_content()
    {
        var count = 0;
        await using var server = await StartAsync(async http =>
        {
            http.Response.ContentType = "application/grpc";
            var isGood = Interlocked.Increment(ref count) % 2 == 0;
            await http.Response.Body.WriteAsync(new byte[5], http.RequestAborted);
            http.Response.AppendTrailer("grpc-status", isGood ? "0" : "8");
            if (!isGood) http.Response.AppendTrailer("grpc-message", "slower");
        });
        var report = await LoadGenerator.RunAsync(Plan(server) with { Protocol = LoadProtocol.Grpc, IsHttp2 = true, RequestsMax = 20 }, TimeProvider.System, Cancel);
        Assert.Equal((10, 10), (report.Done, report.Errors["RESOURCE_EXHAUSTED"]));
        Assert.Equal("slower", report.FirstFailure);
    }

    [Fact]
    public async Task In_an_open_loop_the_time_counts_from_when_a_request_was_due()
    {
        // One slow answer at the only connection: the requests behind it were due at once and had to wait as long, though each of them is answered quickly.
        var hold = TimeSpan.FromMilliseconds(400);
        var count = 0;
        await using var server = await StartAsync(async http =>
        {
            if (Interlocked.Increment(ref count) == 1) await Task.Delay(hold, http.RequestAborted);
            await http.Response.WriteAsync("{}", http.RequestAborted);
        });
        var plan = Plan(server) with { Connections = 1, InFlight = 1, RequestsMax = 50 };
        var open = await LoadGenerator.RunAsync(plan with { Rate = 1000 }, TimeProvider.System, Cancel);
        Assert.Equal((50, 50, 50), (open.Offered, open.Sent, open.Done));
        Assert.True(open.Latency.P50 > 250, $"{open.Latency}");
        count = 0;
        var closed = await LoadGenerator.RunAsync(plan, TimeProvider.System, Cancel);
        Assert.True(closed.Latency.P50 < 250 && closed.Latency.Max > 350, $"{closed.Latency}");
    }

    [Fact]
    public async Task What_was_due_and_found_no_place_counts_as_offered()
    {
        await using var server = await StartAsync(async http =>
        {
            await Task.Delay(100, http.RequestAborted);
            await http.Response.WriteAsync("{}", http.RequestAborted);
        });
        var report = await LoadGenerator.RunAsync(Plan(server) with { Connections = 1, InFlight = 1, Rate = 1000, Duration = TimeSpan.FromSeconds(0.5) }, TimeProvider.System, Cancel);
        Assert.InRange(report.Offered, 450, 501);
        Assert.InRange(report.Sent, 1, 6);
        Assert.Equal(report.Sent, report.Done);
    }

    [Fact]
    public async Task Answers_of_HTTP_1_are_read_in_whatever_pieces_they_come()
    {
        string[] answers =
        [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: yes\r\n\r\n",
            "HTTP/1.1 500 Oh\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad",
        ];
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var serving = ServePiecesAsync(listener, answers, stop.Token);
        var plan = Plan(new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}"));
        var report = await LoadGenerator.RunAsync(plan with { Connections = 1, InFlight = 1, RequestsMax = 60 }, TimeProvider.System, Cancel);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => serving);
        Assert.Equal((60, 50, 10), (report.Begun, report.Done, report.Errors["500"]));
        Assert.Single(report.Errors);
        Assert.Equal("b", report.FirstFailure![..1]);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n")] // no length
    public async Task A_server_of_something_else_is_told_from_one_that_fails(string answer)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var serving = ServePiecesAsync(listener, [answer], stop.Token);
        var plan = Plan(new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}"));
        var report = await LoadGenerator.RunAsync(plan with { Connections = 1, InFlight = 1, RequestsMax = 3 }, TimeProvider.System, Cancel);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => serving);
        Assert.Equal(3, report.Errors["not an answer of HTTP/1.1"]);
    }

    [Fact]
    public async Task A_server_that_lets_a_connection_have_fewer_requests_is_not_asked_for_more()
    {
        await using var server = await StartAsync(http => http.Response.WriteAsync("{}", http.RequestAborted));
        var problem = await Assert.ThrowsAsync<LoadException>(() => LoadGenerator.RunAsync(Plan(server) with { IsHttp2 = true, Connections = 1, InFlight = 101 }, TimeProvider.System, Cancel));
        Assert.Contains("100 requests at a time", problem.Message);
    }

    [Fact]
    public async Task Models_are_asked_in_their_order_by_a_sweep_and_tenants_call_with_their_keys()
    {
        var asked = new List<string>();
        await using var server = await StartAsync(async http =>
        {
            lock (asked) asked.Add($"{http.Request.Path.Value!.Split('/')[3]} {http.Request.Headers.Authorization}");
            await http.Response.WriteAsync("{}", http.RequestAborted);
        });
        await LoadGenerator.RunAsync(
            Plan(server) with { Connections = 1, InFlight = 1, RequestsMax = 6, Sweeps = true, Models = ["a", "b", "c"], Credentials = ["k", "l"] }, TimeProvider.System, Cancel);
        Assert.Equal(["a Bearer k", "b Bearer l", "c Bearer k", "a Bearer l", "b Bearer k", "c Bearer l"], asked);
    }

    [Theory]
    [InlineData("Rest", false)]
    [InlineData("Rest", true)]
    [InlineData("Grpc", true)]
    public async Task In_steady_state_nothing_is_allocated(string protocol, bool isHttp2)
    {
        await using var server = await StartAsync(async http =>
        {
            await http.Request.Body.CopyToAsync(Stream.Null, http.RequestAborted);
            await http.Response.Body.WriteAsync("{}"u8.ToArray(), http.RequestAborted);
            if (http.Request.ContentType == "application/grpc") http.Response.AppendTrailer("grpc-status", "0");
        });
        var plan = Plan(server) with { Protocol = Enum.Parse<LoadProtocol>(protocol), IsHttp2 = isHttp2, Connections = 2, InFlight = isHttp2 ? 32 : 2 };
        Allocated(plan with { RequestsMax = 500 });
        var few = Allocated(plan with { RequestsMax = 500 });
        var many = Allocated(plan with { RequestsMax = 3500 });
        // The smallest object has 24 bytes; a buffer may still grow now and then.
        Assert.True(many - few < 3000 * 8, $"{many - few} bytes for 3,000 requests.");
    }

    private static long Allocated(LoadPlan plan)
    {
        var loop = new LoadLoop(plan, 0, TimeProvider.System);
        loop.Open();
        var before = GC.GetAllocatedBytesForCurrentThread();
        loop.Run(TimeProvider.System.GetTimestamp(), Cancel);
        Assert.Equal(plan.RequestsMax, loop.Latency.Count);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static LoadPlan Plan(Uri server) => new()
    {
        Server = server, Protocol = LoadProtocol.Rest, Models = ["m"], Credentials = ["secret"], Body = new RequestBody("{}"u8.ToArray(), "application/json", null, 1),
        Connections = 2, InFlight = 2, Duration = TimeSpan.FromSeconds(60),
    };

    private static LoadPlan Plan(WebApplication server) => Plan(new Uri(server.Urls.First()));

    private static async Task<WebApplication> StartAsync(Func<HttpContext, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.Http2.InitialConnectionWindowSize = kestrel.Limits.Http2.InitialStreamWindowSize = 65_535;
            kestrel.ConfigureEndpointDefaults(CleartextHttp2.Use);
        });
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.Run(new RequestDelegate(answer));
        await app.StartAsync(Cancel);
        return app;
    }

    /// <summary>Answers each request with the next answer, in pieces of one to seven bytes.</summary>
    private static async Task ServePiecesAsync(TcpListener listener, string[] answers, CancellationToken cancellationToken)
    {
        var (random, next) = (new Random(9), 0);
        while (true)
        {
            using var client = await listener.AcceptSocketAsync(cancellationToken);
            client.NoDelay = true;
            var request = new byte[4096];
            while (await client.ReceiveAsync(request, cancellationToken) > 0)
            {
                var answer = Encoding.ASCII.GetBytes(answers[next++ % answers.Length]);
                for (var at = 0; at < answer.Length;)
                {
                    var count = Math.Min(random.Next(1, 8), answer.Length - at);
                    await client.SendAsync(answer.AsMemory(at, count), cancellationToken);
                    at += count;
                }
                if (Encoding.ASCII.GetString(answer).Contains("close", StringComparison.Ordinal)) break;
            }
        }
    }
}
