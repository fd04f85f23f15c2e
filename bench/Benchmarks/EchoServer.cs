using System.Globalization;
using System.Net;
using System.Text.Json;
using Atoll.Cli.Load;
using Atoll.Platform;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Atoll.Benchmarks;

/// <summary>What no server can do without: the same Kestrel with the same settings, which reads a request and answers bytes that it was told before.</summary>
internal static class EchoServer
{
    /// <summary>Where the answer is told.</summary>
    private const string TellPath = "/answer";

    /// <summary>An answer as another server gave it.</summary>
    public sealed record Answer(Dictionary<string, string> Headers, Dictionary<string, string> Trailers, byte[] Body);

    public static async Task<WebApplication> StartAsync()
    {
        var answer = new Answer([], [], []);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = new AtollOptions().RequestBytesMax;
            kestrel.AddServerHeader = false;
            kestrel.ConfigureEndpointDefaults(CleartextHttp2.Use);
        });
        var app = builder.Build();
        app.Run(async http =>
        {
            if (http.Request.Path == TellPath)
            {
                answer = (await JsonSerializer.DeserializeAsync<Answer>(http.Request.Body, cancellationToken: http.RequestAborted))!;
                return;
            }
            var told = answer;
            var body = http.Request.BodyReader;
            while (true)
            {
                var read = await body.ReadAsync(http.RequestAborted);
                body.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) break;
            }
            foreach (var (name, value) in told.Headers) http.Response.Headers[name] = value;
            told.Body.CopyTo(http.Response.BodyWriter.GetSpan(told.Body.Length));
            http.Response.BodyWriter.Advance(told.Body.Length);
            foreach (var (name, value) in told.Trailers) http.Response.AppendTrailer(name, value);
        });
        await app.StartAsync();
        return app;
    }

    /// <summary>As a process of its own: says where it listens and ends with its input.</summary>
    public static async Task<bool> ServeAsync()
    {
        await using var app = await StartAsync();
        Console.WriteLine($"listens on {app.Urls.First()}");
        await Console.In.ReadToEndAsync();
        return true;
    }

    public static Task<BenchServer> StartChildAsync() => BenchServer.StartProgramAsync(
        Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "Atoll.Benchmarks.exe" : "Atoll.Benchmarks"), ["echo-server"]);

    /// <summary>Asks a server once and tells the echo its answer.</summary>
    public static async Task TellAsync(Uri echo, LoadPlan plan)
    {
        using var client = new HttpClient { DefaultRequestVersion = plan.IsHttp2 ? HttpVersion.Version20 : HttpVersion.Version11, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        var (before, after) = RequestPath.Around(plan.Protocol);
        var isGrpc = plan.Protocol == LoadProtocol.Grpc;
        var name = Protobuf.Text(1, plan.Models[0]);
        var length = name.Length + plan.Body.Bytes.Length;
        byte[] prefix = isGrpc ? [0, (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, .. name] : [];
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(plan.Server, isGrpc ? before : before + plan.Models[0] + after))
        {
            Content = new ByteArrayContent([.. prefix, .. plan.Body.Bytes]),
            Version = client.DefaultRequestVersion, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Content.Headers.ContentType = new(plan.Body.ContentType);
        request.Headers.Add("Authorization", "Bearer " + plan.Credentials[0]);
        if (isGrpc) request.Headers.Add("TE", "trailers");
        if (plan.Body.JsonBytes is { } json) request.Headers.Add("Inference-Header-Content-Length", json.ToString(CultureInfo.InvariantCulture));
        using var response = await client.SendAsync(request);
        var body = await response.Content.ReadAsByteArrayAsync();
        if (response.StatusCode != HttpStatusCode.OK) throw new InvalidOperationException($"{response.StatusCode}: {System.Text.Encoding.UTF8.GetString(body)}");
        var headers = response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated).Where(header => header.Key is not "Date" and not "Transfer-Encoding")
            .ToDictionary(header => header.Key, header => header.Value.ToString());
        // The client makes up a length where the server sent none.
        if (response.Headers.TransferEncodingChunked == true || plan.IsHttp2 && isGrpc) headers.Remove("Content-Length");
        var answer = new Answer(headers, response.TrailingHeaders.ToDictionary(header => header.Key, header => string.Join(",", header.Value)), body);
        if (isGrpc && !answer.Trailers.ContainsKey("grpc-status")) throw new InvalidOperationException("The server answered without a grpc-status.");
        using var told = await client.PostAsync(new Uri(echo, TellPath), new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(answer)));
        told.EnsureSuccessStatusCode();
    }
}
