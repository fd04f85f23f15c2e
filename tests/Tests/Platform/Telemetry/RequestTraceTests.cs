using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Platform.Telemetry;
using Atoll.Tests.Prediction;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Atoll.Tests.Platform.Telemetry;

/// <summary>Alone: whoever listens to activities listens to those of every server in the process.</summary>
[Collection(AloneCollection.Name)]
public sealed class RequestTraceTests : IAsyncLifetime
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";

    private readonly Lines _log = new();
    private readonly SeenActivity _seen = new();
    private TestServer _server = null!;
    private HttpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _server = new TestServer
        {
            Configure = builder =>
            {
                builder.Logging.AddProvider(_log);
                builder.Services.AddSingleton<IStartupFilter>(_seen);
            },
        };
        await _server.InitializeAsync();
        (var tenant, _client) = await _server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(_server, tenant.Tenant.Id, "five", PredictionModels.Constant(5));
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public void Threads_of_one_stream_find_one_id()
    {
        // The second one asks while the first one is at it, and goes on as far as it can.
        var context = new DefaultHttpContext();
        var (first, second) = ("", "");
        Thread? other = null;
        context.Features.Set<IHttpRequestFeature>(new InterruptedRequest(() =>
        {
            other = new Thread(() => second = RequestTrace.IdOf(context));
            other.Start();
            while ((other.ThreadState & (System.Threading.ThreadState.WaitSleepJoin | System.Threading.ThreadState.Stopped)) == 0) Thread.Yield();
        }));
        first = RequestTrace.IdOf(context);
        Assert.NotNull(other);
        other.Join();
        Assert.Equal(first, second);
    }

    [Theory]
    [InlineData("/api/v1/models/absent")]
    [InlineData("/v2/models/absent")]
    [InlineData("/nowhere")]
    [InlineData("/api/v1/models?limit=x")]
    public async Task The_callers_trace_is_in_the_log_in_the_body_and_in_the_header(string path)
    {
        using var answer = await SendAsync(HttpMethod.Get, path, $"00-{Trace}-00f067aa0ba902b7-01");
        Assert.Equal(Trace, Assert.Single(answer.Headers.GetValues(RequestTrace.Header)));
        Assert.Contains(_log.Written, line => line.Contains($"trace {Trace}", StringComparison.Ordinal));
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        if (path.StartsWith("/api", StringComparison.Ordinal)) Assert.Equal(Trace, (string?)body["traceId"]);
    }

    [Fact]
    public async Task A_success_tells_the_trace_to_those_who_sent_one_and_has_none_for_others()
    {
        using var traced = await PredictAsync($"00-{Trace}-00f067aa0ba902b7-00");
        Assert.Equal(Trace, Assert.Single(traced.Headers.GetValues(RequestTrace.Header)));
        using var plain = await PredictAsync(null);
        Assert.False(plain.Headers.Contains(RequestTrace.Header));
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("00-00000000000000000000000000000000-00f067aa0ba902b7-01")]
    [InlineData("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")]
    public async Task A_trace_that_cannot_be_read_is_replaced_by_a_new_one(string traceparent)
    {
        using var answer = await SendAsync(HttpMethod.Get, "/api/v1/models/absent", traceparent);
        var id = Assert.Single(answer.Headers.GetValues(RequestTrace.Header));
        Assert.Matches("^[0-9a-f]{32}$", id);
        Assert.NotEqual(Trace, id);
        Assert.NotEqual(new string('0', 32), id);
        Assert.Equal(id, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["traceId"]);
    }

    [Fact]
    public async Task No_activity_is_made_while_nobody_listens()
    {
        using (await PredictAsync($"00-{Trace}-00f067aa0ba902b7-01")) { }
        Assert.False(_seen.WasThere);
    }

    [Fact]
    public async Task A_request_that_is_traced_has_spans_for_waiting_and_running_and_others_have_none()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is RequestSpans.SourceName or "Microsoft.AspNetCore",
            Sample = static (ref ActivityCreationOptions<ActivityContext> options) =>
                options.Parent.TraceFlags.HasFlag(ActivityTraceFlags.Recorded) ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using (await PredictAsync(null)) { }
        using (await PredictAsync($"00-{Trace}-00f067aa0ba902b7-00")) { }
        Assert.Empty(spans);

        using (await PredictAsync($"00-{Trace}-00f067aa0ba902b7-01")) { }

        // The answer is read before the web server ends the request's own span.
        while (spans.All(span => span.Source.Name == RequestSpans.SourceName)) await Task.Yield();
        var request = Assert.Single(spans, span => span.Source.Name != RequestSpans.SourceName);
        Assert.Equal(["queue", "run"], spans.Where(span => span != request).Select(span => span.OperationName).Order(StringComparer.Ordinal));
        foreach (var span in spans)
        {
            Assert.Equal(Trace, span.TraceId.ToHexString());
            if (span == request) continue;
            Assert.Equal(request.SpanId, span.ParentSpanId);
            Assert.InRange(span.StartTimeUtc, request.StartTimeUtc.AddMilliseconds(-1), request.StartTimeUtc + request.Duration);
        }
        Assert.Equal("tenant-1", request.GetTagItem("tenant"));
    }

    private Task<HttpResponseMessage> PredictAsync(string? traceparent) =>
        SendAsync(HttpMethod.Post, "/api/v1/endpoints/five:predict", traceparent, new StringContent("""{"rows":[{"x":1}]}""", Encoding.UTF8, "application/json"));

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? traceparent, HttpContent? content = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        if (traceparent is not null) request.Headers.TryAddWithoutValidation("traceparent", traceparent);
        return await _client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>What is logged.</summary>
    private sealed class Lines : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Written { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Written.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }

    /// <summary>A request within whose first look at its headers something happens.</summary>
    private sealed class InterruptedRequest(Action happens) : HttpRequestFeature, IHttpRequestFeature
    {
        private Action? _happens = happens;

        IHeaderDictionary IHttpRequestFeature.Headers
        {
            get
            {
                Interlocked.Exchange(ref _happens, null)?.Invoke();
                return Headers;
            }
            set => Headers = value;
        }
    }

    /// <summary>Whether a request had an activity.</summary>
    private sealed class SeenActivity : IStartupFilter
    {
        public bool WasThere { get; private set; }

        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use((context, following) =>
            {
                WasThere |= Activity.Current is not null;
                return following(context);
            });
            next(app);
        };
    }
}
