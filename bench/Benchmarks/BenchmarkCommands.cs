using Atoll.Cli.Load;

namespace Atoll.Benchmarks;

/// <summary>The benchmarks by name. Each prints a table and says whether its bars were met.</summary>
internal static class BenchmarkCommands
{
    private const string Usage = """
        Those that measure a server take --smoke, which only shows that they work: bars are not looked at.

        accuracy --data <folder> [--only audio|entities|image|tabular|text[:<set>]] [--set name=value ...]
            trains on the folder's datasets and measures on their test splits; tabular: [--seeds 1,2,3] tells the mean of several
            trainings, [--folds 3] measures on folds of the training split instead, to choose settings by
        served-accuracy --data <folder> [--only image|tabular|text[:<set>]] [--set name=value ...]
            the same through a server: imports, trains as a job, predicts over HTTP, and compares the score with the version's
        allocation [--requests 20000] [--only grpc|rest|binary] [--rows 1|32]
            managed bytes for a warm request
        batches [--seconds 8]
            what it brings that requests which wait for one model run together
        cache-budget [--seconds 120]
            what the process takes while the model cache works at the edge of its budget
        churn [--requests 3000000]
            hit rate of the model cache's policy against one that knows the future
        cold [--models 2000]
            the first request to a model that is not in memory
        density [--models 1000000]
            what one more model in memory costs the process
        first-prediction [--models 10]
            how soon after its training a model answers for the first time
        import-scale [--full] [--only <start of a file name>]
            time and memory of imports as large as they may be; small ones without --full
        map-weights
            weights read into memory against weights mapped from their files
        neighbour [--seconds 20] [--only hot|sweep] [--models 1000]
            what others feel when a tenant asks for ten times as much as the node can do
        onnx-run
            what a run, a session and a hit of the model cache cost
        overhead [--seconds 1.5] [--rounds 5] [--only grpc|rest|binary] [--model logistic|network|trees|convolutions] [--rows 1|32]
            the server's time of processors for a request, beside Kestrel alone and the bare run
        peak [--seconds 10] [--only grpc|rest|binary] [--rows 1|32] [--model logistic|network|trees|convolutions] [--in-flight <number>]
            predictions a second of a server that shares the machine with the load
        predict-overhead
            what a prediction over HTTP costs beside a request that does nothing
        start [--models 1000000]
            from the start of the process to the first prediction, with 10^4, 10^5 and 10^6 deployed models
        split-models [--only <part of a model's name>]
            a session of a model's own against weights as inputs of a shared one
        train-speed
            images a second that the training graphs of image models learn from
        factors --data <folder> [--only <set>] [--set name=value ...]
            ways of telling why a row is predicted so, beside sampled Shapley values
        tabular-speed [--threads 2] [--models 200]
            models a minute of 1,000 rows and 20 columns, a logistic regression and 100 trees each
        """;

    // One line per kind of data; each gets the data folder and the rest of the command line.
    private static readonly Dictionary<string, Func<BenchmarkArguments, bool>> Accuracy = new()
    {
        ["audio"] = SoundAccuracy.Run,
        ["entities"] = EntityAccuracy.Run,
        ["image"] = ImageAccuracy.Run,
        ["tabular"] = TabularAccuracy.Run,
        ["text"] = TextAccuracy.Run,
    };

    public static int Run(string[] args)
    {
        var arguments = new BenchmarkArguments(args);
        switch (args.FirstOrDefault())
        {
            case "accuracy" when arguments["--data"] is not null:
                var only = arguments["--only"]?.Split(':')[0];
                if (only is not null && !Accuracy.ContainsKey(only)) return ShowUsage();
                var met = true;
                foreach (var (name, run) in Accuracy)
                    if (only is null || only == name) met &= run(arguments);
                return met ? 0 : 1;
            case "served-accuracy" when arguments["--data"] is not null:
                return ServedAccuracy.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "allocation":
                return Allocation.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "batches":
                return Batches.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "cache-budget":
                return CacheBudget.Run(arguments) ? 0 : 1;
            case "churn":
                return Churn.Run(arguments) ? 0 : 1;
            case "cold":
                return Cold.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "density":
                return Density.Run(arguments) ? 0 : 1;
            case "echo-server":
                // The other side of a measurement, as a process of its own.
                return EchoServer.ServeAsync().GetAwaiter().GetResult() ? 0 : 1;
            case "first-prediction":
                return FirstPrediction.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "import-scale":
                return ImportScale.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "map-weights":
                return MapWeights.Run() ? 0 : 1;
            case "neighbour":
                return Neighbour.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "onnx-run":
                return OnnxRun.Run() ? 0 : 1;
            case "overhead":
                return Overhead.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "peak":
                return Peak.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "predict-overhead":
                return PredictOverhead.Run() ? 0 : 1;
            case "start":
                return ServerStart.RunAsync(arguments).GetAwaiter().GetResult() ? 0 : 1;
            case "split-models":
                return SplitModels.Run(arguments) ? 0 : 1;
            case "train-speed":
                return TrainSpeed.Run() ? 0 : 1;
            case "factors" when arguments["--data"] is not null:
                return FactorMethods.Run(arguments) ? 0 : 1;
            case "tabular-speed":
                return TabularSpeed.Run(arguments) ? 0 : 1;
            default:
                return ShowUsage();
        }
    }

    private static int ShowUsage()
    {
        Console.Error.WriteLine(Usage);
        return 2;
    }
}

/// <summary>The words behind a benchmark's name.</summary>
internal sealed class BenchmarkArguments(string[] args)
{
    /// <summary>The word behind an option, or null.</summary>
    public string? this[string option] => All(option).FirstOrDefault();

    /// <summary>The number behind an option.</summary>
    public int Number(string option, int otherwise) => this[option] is { } word ? int.Parse(word, System.Globalization.CultureInfo.InvariantCulture) : otherwise;

    /// <inheritdoc cref="Number"/>
    public double Decimal(string option, double otherwise) => this[option] is { } word ? double.Parse(word, System.Globalization.CultureInfo.InvariantCulture) : otherwise;

    /// <summary>Only shows that the benchmark works; bars are not looked at.</summary>
    public bool IsSmoke => Has("--smoke");

    /// <summary>The case was not left out by <c>--only</c> or <c>--rows</c>.</summary>
    public bool Asks(LoadProtocol protocol, int rows) =>
        (this["--only"] is not { } only || only.Equals(protocol.ToString(), StringComparison.OrdinalIgnoreCase)) && Number("--rows", rows) == rows;

    /// <summary>The load as it is; to show only that the benchmark works, a few requests instead of a time.</summary>
    public LoadPlan Sized(LoadPlan plan) => IsSmoke ? plan with { Duration = TimeSpan.FromMinutes(5), Warmup = TimeSpan.Zero, RequestsMax = 100 } : plan;

    /// <summary>The option was given.</summary>
    public bool Has(string option) => args.Contains(option);

    /// <summary>The words behind every occurrence of an option.</summary>
    public IEnumerable<string> All(string option)
    {
        for (var i = 0; i + 1 < args.Length; i++)
            if (args[i] == option) yield return args[i + 1];
    }
}
