using System.Collections.Concurrent;
using Atoll.Platform;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Tests.Platform.Grpc.Messages;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Atoll.Tests.Platform.Grpc;

/// <summary>The platform's gRPC with a service of each kind of method, and nothing else of the server.</summary>
public sealed class EchoServer : IAsyncLifetime
{
    public const int MessageBytesMax = 100_000;

    private WebApplication _app = null!;

    internal string Address { get; private set; } = "";

    internal EchoService Service { get; } = new();

    internal VirtualClock Clock { get; } = new();

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(CleartextHttp2.Use));
        builder.Logging.ClearProviders();
        builder.Services.Configure<AtollOptions>(options => options.RequestBytesMax = MessageBytesMax);
        builder.Services.AddSingleton<TimeProvider>(Clock);
        builder.Services.AddSingleton(Service);
        var readiness = new Readiness();
        readiness.Reach();
        builder.Services.AddSingleton(readiness);
        builder.Services.AddExceptionHandler<ErrorHandling>();
        builder.Services.AddProblemDetails();
        builder.Services.AddGrpc();
        _app = builder.Build();
        _app.UseExceptionHandler();
        _app.UseStatusCodePages(EmptyAnswers.WriteAsync);
        _app.MapGet("/protocol", (HttpContext context) => context.Request.Protocol);
        _app.MapPost("/length", async (HttpContext context) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            return body.Length;
        });
        var echo = _app.MapGrpcService<EchoService>(EchoReflection.Descriptor.FindTypeByName<ServiceDescriptor>("Echo"));
        echo.Unary<EchoMessage, EchoMessage>("One", (service, request, call) => service.One(request, call));
        echo.ClientStreaming<EchoMessage, EchoMessage>("Sum", (service, requests, call) => EchoService.Sum(requests, call));
        echo.ServerStreaming<EchoMessage, EchoMessage>("Count", (service, request, responses, call) => EchoService.Count(request, responses, call));
        echo.DuplexStreaming<EchoMessage, EchoMessage>("Each", (service, requests, responses, call) => EchoService.Each(requests, responses, call));
        _app.MapGrpc();
        await _app.StartAsync();
        Address = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    }

    internal Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();
}

/// <summary>What the methods of the echo service do; texts choose.</summary>
internal sealed class EchoService
{
    /// <summary>The calls that wait for ever, by name: done when they were cancelled.</summary>
    public ConcurrentDictionary<string, TaskCompletionSource> Waiting { get; } = new();

    public async Task<EchoMessage> One(EchoMessage request, ServerCallContext call)
    {
        switch (request.Text)
        {
            case "refuse":
                call.ResponseTrailers["x-reason"] = "because";
                throw new RpcException(new Status(StatusCode.FailedPrecondition, "50 % of\nit is naïve 🙂"));

            case "problem": throw new RpcException(new Problem(503, "busy", "Too many.", "Wait.") { RetryAfter = TimeSpan.FromSeconds(2) });
            case "fail": throw new InvalidOperationException("A bug with a secret.");
            case "metadata": return new EchoMessage { Text = call.RequestHeaders["x-name"].ToString(), Number = call.Deadline == DateTime.MaxValue ? 0 : call.Deadline.Ticks };
            case "wait":
                var ended = Waiting.GetOrAdd(call.RequestHeaders["x-name"].ToString(), _ => new TaskCompletionSource());
                try
                {
                    await Task.Delay(Timeout.Infinite, call.CancellationToken);
                }
                finally
                {
                    ended.SetResult();
                }
                break;
        }
        return request;
    }

    public static async Task<EchoMessage> Sum(IAsyncStreamReader<EchoMessage> requests, ServerCallContext call)
    {
        var sum = new EchoMessage();
        while (await requests.MoveNext(call.CancellationToken))
        {
            sum.Number += requests.Current.Number;
            sum.Text += requests.Current.Text;
        }
        return sum;
    }

    public static async Task Count(EchoMessage request, IServerStreamWriter<EchoMessage> responses, ServerCallContext call)
    {
        for (var i = 1; i <= request.Number; i++) await responses.WriteAsync(new EchoMessage { Number = i, Text = request.Text }, call.CancellationToken);
        if (request.Text == "fail") throw new InvalidOperationException("A bug with a secret.");
        if (request.Text == "refuse") throw new RpcException(new Status(StatusCode.Aborted, "enough"));
    }

    public static async Task Each(IAsyncStreamReader<EchoMessage> requests, IServerStreamWriter<EchoMessage> responses, ServerCallContext call)
    {
        while (await requests.MoveNext(call.CancellationToken)) await responses.WriteAsync(requests.Current, call.CancellationToken);
    }
}
