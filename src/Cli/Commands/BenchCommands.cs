using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Atoll.Cli.Load;
using Atoll.Client;
using Spectre.Console;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll bench</c>: measures a server from outside.</summary>
internal static partial class BenchCommands
{
    private const int ModelsMax = 10_000_000;

    public static Command Create() => new Noun("bench", "Measure how many predictions a server makes, and how soon.", Load());

    private static Verb Load()
    {
        var models = new Argument<string[]>("model") { Description = "Models or endpoints to ask; name-{1..500} stands for 500 of them.", Arity = ArgumentArity.OneOrMore };
        var protocol = new Option<string?>("--protocol") { Description = "rest (Open Inference Protocol with JSON, the default), binary (with binary tensors), grpc, or predict (Atoll's own route).", HelpName = "name" };
        protocol.AcceptOnlyFromAmong("rest", "binary", "grpc", "predict");
        var http = new Option<string?>("--http") { Description = "1.1 or 2, without TLS. Default: 1.1, and 2 for grpc.", HelpName = "version" };
        http.AcceptOnlyFromAmong("1.1", "2");
        var connections = new Option<int?>("--connections") { Description = "Connections to the server. Default: 16 of HTTP/1.1, 2 of HTTP/2.", HelpName = "number" };
        var inFlight = new Option<int?>("--in-flight") { Description = "Requests on their way at the same time, over all connections. Default: one for each connection of HTTP/1.1, 16 for each of HTTP/2.", HelpName = "number" };
        var rate = new Option<double?>("--rate") { Description = "Requests to begin a second, whether or not others are answered (open loop). Default: one for each that ends (closed loop).", HelpName = "number" };
        var duration = new Option<double?>("--duration") { Description = "Seconds to measure. Default: 10.", HelpName = "seconds" };
        var warmup = new Option<double?>("--warmup") { Description = "Seconds of the same load before, which are not counted. Default: 2.", HelpName = "seconds" };
        var requests = new Option<long?>("--requests") { Description = "End after so many requests, if the time is not over before.", HelpName = "number" };
        var rows = new Option<int?>("--rows") { Description = "Rows of a request that is made up. Default: 1.", HelpName = "number" };
        var data = new Option<string?>("--data") { Description = "The request to send, as JSON: of the Open Inference Protocol, which becomes binary tensors or gRPC as --protocol says, or of Atoll's own route. Default: made up from what the first model says of itself.", HelpName = "file" };
        var tenants = new Option<string?>("--tenants") { Description = "API keys to call with, one on each line; all of them must have the models.", HelpName = "file" };
        var anonymous = new Option<bool>("--anonymous") { Description = "Call without a key, as other servers of the protocol want it." };
        var zipf = new Option<double?>("--zipf") { Description = "Draw tenants and models by Zipf's law with this exponent: the k-th is asked as often as 1/k^exponent. Default: all alike.", HelpName = "exponent" };
        var sweep = new Option<bool>("--sweep") { Description = "Ask tenants and models in their order instead of drawing them." };
        var threads = new Option<int?>("--threads") { Description = "Threads that make the load. Default: 1.", HelpName = "number" };
        var seed = new Option<int?>("--seed") { Description = "Of what is drawn. Default: 1.", HelpName = "number" };
        return new Verb(
            "load", "Ask a server for predictions as fast as it answers, or at a given rate.",
            new("atoll bench load churn", "As fast as 16 connections get answers"),
            new("atoll bench load churn --protocol grpc --connections 2 --in-flight 64", "Over gRPC"),
            new("atoll bench load churn --rate 2000 --duration 30", "2,000 a second, and how long each takes"),
            new("atoll bench load lead-{1..1000} --zipf 1 --tenants keys.txt --output json", "A thousand models of many tenants, some asked far more often than others"))
        {
            Details = "With --rate the time of a request counts from the moment when it was due, also when it had to wait for a free place (coordinated omission is corrected). Exit code 1 when a request failed. TLS is not spoken.",
            Arguments = { models },
            Options = { protocol, http, connections, inFlight, rate, duration, warmup, requests, rows, data, tenants, anonymous, zipf, sweep, threads, seed },
        }.Does(async (context, cancellationToken) =>
        {
            var asked = Enum.Parse<LoadProtocol>(context.Get(protocol) ?? "rest", ignoreCase: true);
            if (asked == LoadProtocol.Grpc && context.Get(http) == "1.1") throw new UsageException("gRPC needs HTTP/2; leave --http out.");
            var isHttp2 = asked == LoadProtocol.Grpc || context.Get(http) == "2";
            var connectionCount = InRange("--connections", context.Get(connections) ?? (isHttp2 ? 2 : 16), 1, 10_000);
            var inFlightCount = InRange("--in-flight", context.Get(inFlight) ?? connectionCount * (isHttp2 ? 16 : 1), 1, 1_000_000);
            if (!isHttp2 && inFlightCount > connectionCount) throw new UsageException("A connection of HTTP/1.1 has one request on its way; --in-flight cannot be more than --connections.");
            var threadCount = InRange("--threads", context.Get(threads) ?? 1, 1, 256);
            if (threadCount > connectionCount || threadCount > inFlightCount) throw new UsageException("Every thread needs a connection and a request of its own; give fewer --threads.");
            if (inFlightCount < connectionCount) throw new UsageException("With fewer --in-flight than --connections some connections would do nothing; give fewer --connections.");
            if (context.Get(rate) is { } given && !(given is > 0 and <= 10_000_000)) throw new UsageException("--rate is a number of requests a second above 0.");
            if (context.Get(zipf) is { } exponent && !(exponent is >= 0 and <= 10)) throw new UsageException("--zipf is an exponent from 0 to 10.");
            if (context.Get(data) is not null && context.Get(rows) is not null) throw new UsageException("The request in --data has its own rows; leave --rows out.");
            if (context.Get(anonymous) && context.Get(tenants) is not null) throw new UsageException("Give --tenants or --anonymous, not both.");
            var rowCount = InRange("--rows", context.Get(rows) ?? 1, 1, 1_000_000);
            var time = Seconds("--duration", context.Get(duration) ?? 10, 0.1);
            var before = Seconds("--warmup", context.Get(warmup) ?? 2, 0);

            var names = context.Get(models).SelectMany(Expand).ToList();
            IReadOnlyList<string?> keys = context.Get(anonymous) ? [null] : context.Get(tenants) is { } file ? await ReadKeysAsync(file, cancellationToken) : [context.Connection.Key];
            var server = CommandContext.ParseServer(context.Get(anonymous) || context.Get(tenants) is not null
                ? context.GivenServer ?? context.Terminal.Environment("ATOLL_SERVER") ?? context.LoginFile.Read()?.Server ?? CommandContext.DefaultServer
                : context.Connection.Server);
            if (server.Scheme != "http") throw new UsageException("A load is made without TLS. Give the address of the server itself, with http://.");

            try
            {
                var plan = new LoadPlan
                {
                    Server = server, Protocol = asked, IsHttp2 = isHttp2, Models = names, Credentials = keys,
                    Body = context.Get(data) is { } path
                        ? BodyOf(asked, await ReadRequestAsync(path, cancellationToken))
                        : await MakeUpAsync(asked, server, names[0], keys[0], rowCount, cancellationToken),
                    Connections = connectionCount, InFlight = inFlightCount, Rate = context.Get(rate), Duration = time, Warmup = before,
                    RequestsMax = context.Get(requests) ?? long.MaxValue, Zipf = context.Get(zipf) ?? 0, Sweeps = context.Get(sweep), Threads = threadCount, Seed = context.Get(seed) ?? 1,
                };
                await LoadGenerator.CheckAsync(plan, context.Terminal.Clock, cancellationToken);
                var report = await LoadGenerator.RunAsync(plan, context.Terminal.Clock, cancellationToken);
                context.Write(report, LoadJson.Default.LoadReport, console => Show(console, report));
                return report.Errors.Count == 0 ? ExitCodes.Done : ExitCodes.Refused;
            }
            catch (LoadException problem) when (problem.IsUnreachable)
            {
                throw new AtollUnreachableException(server, problem.Message, problem);
            }
            catch (LoadException problem)
            {
                throw new RefusedException(problem.Message);
            }
        });
    }

    /// <summary>The names that a pattern stands for: <c>lead-{1..3}</c> are three.</summary>
    internal static IEnumerable<string> Expand(string pattern)
    {
        if (Numbers().Match(pattern) is not { Success: true } match) return [pattern];
        var (from, to) = (long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), long.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
        if (to < from || to - from >= ModelsMax) throw new UsageException($"'{match.Value}' must count up, to at most {ModelsMax} names.");
        return Enumerable.Range(0, (int)(to - from + 1)).Select(i => string.Concat(pattern.AsSpan(0, match.Index), (from + i).ToString(CultureInfo.InvariantCulture), pattern.AsSpan(match.Index + match.Length)));
    }

    private static RequestBody BodyOf(LoadProtocol protocol, JsonObject request) =>
        protocol == LoadProtocol.Predict ? LoadBody.OfPredict(request) : LoadBody.OfTensors(protocol, request);

    /// <summary>A body that fits the model, from what the server says of it.</summary>
    internal static async Task<RequestBody> MakeUpAsync(LoadProtocol protocol, Uri server, string model, string? key, int rows, CancellationToken cancellationToken)
    {
        if (protocol == LoadProtocol.Predict)
        {
            using var client = new AtollClient(new AtollClientOptions { Server = server, Credential = key });
            return LoadBody.FromEndpoint(await client.GetEndpointAsync(model, cancellationToken), rows);
        }
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(30) };
        if (key is not null) http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        var address = new Uri(server, $"/v2/models/{Uri.EscapeDataString(model)}");
        try
        {
            using var answer = await http.GetAsync(address, cancellationToken);
            var text = await answer.Content.ReadAsStringAsync(cancellationToken);
            if (!answer.IsSuccessStatusCode) throw new LoadException($"The server does not say what '{model}' takes: {(int)answer.StatusCode}, {text}");
            return LoadBody.OfTensors(protocol, LoadBody.FromMetadata(JsonNode.Parse(text), rows));
        }
        catch (HttpRequestException problem)
        {
            throw new LoadException(problem.HttpRequestError == HttpRequestError.ConnectionError ? "nothing listens there." : problem.Message, isUnreachable: true);
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            throw new LoadException($"{address} does not answer as the Open Inference Protocol has it. Give a request with --data.");
        }
    }

    private static async Task<JsonObject> ReadRequestAsync(string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path)) throw new UsageException($"There is no file '{path}'.");
        try
        {
            return JsonNode.Parse(await File.ReadAllTextAsync(path, cancellationToken)) as JsonObject ?? throw new UsageException($"'{path}' is no JSON object.");
        }
        catch (JsonException)
        {
            throw new UsageException($"'{path}' is no JSON.");
        }
    }

    private static async Task<IReadOnlyList<string?>> ReadKeysAsync(string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path)) throw new UsageException($"There is no file '{path}'.");
        var keys = (await File.ReadAllLinesAsync(path, cancellationToken)).Select(line => line.Trim()).Where(line => line.Length > 0).ToList();
        if (keys.Count == 0) throw new UsageException($"There is no key in '{path}'.");
        if (keys.Any(key => key.Any(c => c is < '!' or > '~'))) throw new UsageException($"A line of '{path}' is no key.");
        return keys;
    }

    private static void Show(IAnsiConsole console, LoadReport report)
    {
        var culture = CultureInfo.InvariantCulture;
        new Facts()
            .Add("load", $"{report.Protocol} over HTTP/{report.Http}, {Words.Plural(report.Connections, "connection")}, at most {Words.Plural(report.InFlightMax, "request")} on their way, "
                + (report.Rate is { } rate ? string.Create(culture, $"{rate:N0} requests a second (open loop)") : "one for each that ends (closed loop)"))
            .Add("measured", string.Create(culture, $"{report.Seconds:0.0} s"))
            .Add("own work", string.Create(culture, $"{report.OwnCpuMicroseconds:0.0} us of a processor for a request"))
            .Write(console);
        console.WriteLine();
        new Grid().Number("offered").Number("sent").Number("done").Number("done/s").Number("rows/s").Number("p50 ms").Number("p90 ms").Number("p99 ms").Number("p99.9 ms").Number("max ms")
            .Row(
                Words.Count(report.Offered), Words.Count(report.Sent), Words.Count(report.Done), report.DonePerSecond.ToString("N0", culture), report.RowsPerSecond.ToString("N0", culture),
                Ms(report.Latency.P50), Ms(report.Latency.P90), Ms(report.Latency.P99), Ms(report.Latency.P999), Ms(report.Latency.Max))
            .Write(console);
        if (report.Errors.Count == 0) return;
        console.WriteLine();
        var errors = new Grid().Text("failed with").Number("requests");
        foreach (var (status, count) in report.Errors) errors.Row(new Grid.Cell(status, "red"), Words.Count(count));
        errors.Write(console);
        if (report.FirstFailure is { } words) console.MarkupLine($"[dim]the first said:[/] {words.EscapeMarkup()}");

        string Ms(double value) => value.ToString(value >= 100 ? "N0" : value >= 10 ? "0.0" : "0.000", culture);
    }

    private static int InRange(string option, int value, int least, int most) =>
        value >= least && value <= most ? value : throw new UsageException($"{option} is a number from {least} to {most}.");

    private static TimeSpan Seconds(string option, double value, double least) =>
        value >= least && value <= 86_400 ? TimeSpan.FromSeconds(value) : throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{option} is a number of seconds from {least} to 86400."));

    [GeneratedRegex(@"\{(\d{1,9})\.\.(\d{1,9})\}")]
    private static partial Regex Numbers();
}
