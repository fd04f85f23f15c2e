using System.Globalization;
using System.Text.Json.Nodes;
using Atoll.Cli;
using Atoll.Client;
using Atoll.Contracts;
using Atoll.Platform.Imaging;
using Spectre.Console;
using Grid = Atoll.Cli.Grid;

namespace Atoll.Commands.Quickstart;

/// <summary>The quickstart's steps, in the order in which they are shown.</summary>
internal sealed class QuickstartTour(Terminal terminal, string samples, QuickstartFolder folder, IReadOnlyList<SampleSet> sets, int port, bool stay)
{
    private const string Indent = "   ";
    private const string TenantName = "demo";
    private const int RowsShown = 8;
    private const int TextsShown = 4;
    private const int ImagesShown = 5;

    /// <summary>What the quickstart promises on two cores.</summary>
    private static readonly TimeSpan TimePromised = TimeSpan.FromMinutes(4);
    private const long BytesPromised = 2L << 30;

    private readonly IAnsiConsole _console = terminal.OutConsole;
    private readonly int _nameWidth = sets.Max(set => set.Name.Length);
    private int _step;
    private bool _spaced;

    /// <summary>A model on its way, with what is known about it so far.</summary>
    private sealed record Tried(SampleSet Set, RunResponse Run, ModelReportResponse Report, ModelVersionResponse Version);

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var started = terminal.Clock.GetTimestamp();
        await using var memory = new MemoryWatch(terminal.Clock);
        _console.MarkupLine("[bold]Atoll quickstart[/]");
        _console.WriteLine("Three real datasets become three models that answer predictions.");

        using var log = new LogFile(folder.Log, terminal.Clock);
        await using var server = await StartAsync(started, log, cancellationToken);
        var key = await CreateTenantAsync(server, cancellationToken);
        using var client = CommandContext.Connect(server.Address, key);
        var promoted = false;
        try
        {
            await UploadAsync(client, cancellationToken);
            var tried = await TrainAsync(client, cancellationToken);
            ShowEvaluations(tried);
            promoted = await PromoteAsync(client, tried, cancellationToken);
            var image = await PredictAsync(client, tried, cancellationToken);
            ShowPromises(terminal.Clock.GetElapsedTime(started), memory.PeakBytes);
            if (stay) ShowNextSteps(server.Address, key, image);
        }
        catch (Exception problem) when (problem is RefusedException or AtollException)
        {
            terminal.Error.WriteLine();
            terminal.Error.WriteLine("The server's log: " + KeepLog());
            throw;
        }
        if (stay)
        {
            _console.WriteLine();
            _console.MarkupLine("[bold]The server is running.[/] Ctrl-C stops it.");
            await server.WaitForShutdownAsync(cancellationToken);
        }
        ShowEnd(key);
        return promoted ? ExitCodes.Done : ExitCodes.Refused;
    }

    private async Task<AtollServer> StartAsync(long started, LogFile log, CancellationToken cancellationToken)
    {
        Step("A server");
        var server = await ServeCommand.StartAsync(
            ServeCommand.Settings(folder.Data, port, urls: null, config: null, others: []),
            builder =>
            {
                builder.Logging.ClearProviders();
                builder.Logging.AddProvider(log);
            },
            cancellationToken);
        Line($"[bold]{server.Address.EscapeMarkup()}[/] is ready in {Words.Duration(terminal.Clock.GetElapsedTime(started))}, with an empty data folder.");
        return server;
    }

    private async Task<string> CreateTenantAsync(AtollServer server, CancellationToken cancellationToken)
    {
        using var platform = CommandContext.Connect(server.Address, server.FirstKey);
        var created = await platform.CreateTenantAsync(TenantName, cancellationToken);
        Line($"Tenant [bold]{TenantName}[/] was created; everything below is its own.");
        return created.AdministratorKey.Secret;
    }

    private async Task UploadAsync(AtollClient client, CancellationToken cancellationToken)
    {
        Step("Upload");
        await BarsAsync(view => Task.WhenAll(sets.Select(set => UploadAsync(client, set, view.Add(set.Name), cancellationToken))));
    }

    private async Task<DatasetManifest> UploadAsync(AtollClient client, SampleSet set, ProgressView.Bar bar, CancellationToken cancellationToken)
    {
        var request = new ImportRequest { Name = set.Name, Type = set.Type, Label = set.Label };
        DatasetFile[] files = [DatasetFile.FromFile(set.TrainFile(samples), SplitNames.Train), DatasetFile.FromFile(set.TestFile(samples), SplitNames.Test)];
        var import = await ImportView.UploadAsync(bar, progress => client.CreateDatasetAsync(request, files, progress, cancellationToken));
        import = await ImportView.FollowAsync(bar, client, import, cancellationToken);
        if (import.State != ImportStates.Succeeded)
            throw new RefusedException($"The import of {set.Name} was {import.State}: {import.Error ?? import.Problems.FirstOrDefault()?.Message}");
        var manifest = (await client.GetDatasetVersionAsync(set.Name, "latest", cancellationToken)).Manifest;
        bar.Finish($"{Words.Count(manifest.Statistics.Samples)} {Noun(set.Type)}, {(set.Type == DatasetTypes.Tabular ? Words.Plural(manifest.Schema.Columns.Count, "column") : Words.Plural(manifest.Labels.Count, "label"))}");
        return manifest;
    }

    private async Task<IReadOnlyList<Tried>> TrainAsync(AtollClient client, CancellationToken cancellationToken)
    {
        Step("Train");
        // All are queued at once; the server trains as many side by side as it has cores.
        return await BarsAsync(view => Task.WhenAll(sets.Select(set => TrainAsync(client, set, view.Add(set.Name), cancellationToken))));
    }

    private async Task<Tried> TrainAsync(AtollClient client, SampleSet set, ProgressView.Bar bar, CancellationToken cancellationToken)
    {
        var run = await client.CreateRunAsync(new CreateRunRequest { Dataset = set.Name, Parameters = set.Parameters }, cancellationToken);
        await foreach (var change in client.FollowRunAsync(run.Id, cancellationToken)) run = RunView.Report(bar, change, terminal.Clock);
        if (run is not { State: RunStates.Succeeded, ModelVersion: { } number })
            throw new RefusedException($"The training on {set.Name} {run.State}: {run.Error}");
        var version = number.ToString(CultureInfo.InvariantCulture);
        return new Tried(
            set, run, await client.GetModelReportAsync(set.Name, version, cancellationToken), await client.GetModelVersionAsync(set.Name, version, cancellationToken));
    }

    private void ShowEvaluations(IReadOnlyList<Tried> tried)
    {
        Step("How good are they?", "measured on samples that they never saw");
        var grid = new Grid().Flexible("model").Flexible("algorithm").Number("samples").Number("accuracy").Text("");
        foreach (var model in tried)
        {
            var metrics = model.Report.Evaluation!.Metrics;
            grid.Row(
                model.Set.Name, model.Version.Algorithm, Words.Count(model.Report.Evaluation!.SampleCount), Words.Percent(metrics[MetricNames.Accuracy]),
                metrics.TryGetValue(MetricNames.Auc, out var auc) ? $"auc {Words.Score(auc)}" : metrics.TryGetValue(MetricNames.MacroF1, out var f1) ? $"macro-f1 {Words.Score(f1)}" : "");
        }
        grid.Write(_console, Indent);
        foreach (var model in tried)
        {
            _console.WriteLine();
            Line($"[bold]{model.Set.Name}[/][dim]: {model.Set.Question}[/]");
            EvaluationView.Confusion(_console, model.Report.Evaluation!, Indent, pairs: 4);
        }
    }

    private async Task<bool> PromoteAsync(AtollClient client, IReadOnlyList<Tried> tried, CancellationToken cancellationToken)
    {
        Step("To production", "through a gate");
        var all = true;
        foreach (var model in tried)
        {
            var promotion = await client.PromoteAsync(model.Set.Name, new PromoteRequest { Version = model.Version.Version, Gates = [model.Set.Gate] }, cancellationToken);
            var gates = string.Join("; ", promotion.Gates.Select(gate => gate.Explanation.TrimEnd('.')));
            Line($"{(promotion.Promoted ? "[green]✓[/]" : "[red]✗[/]")} {model.Set.Name.PadRight(_nameWidth)}  {gates.EscapeMarkup()}");
            all &= promotion.Promoted;
        }
        return all;
    }

    /// <summary>Asks each model about samples of the test split; gives the file of an image to try further.</summary>
    private async Task<string?> PredictAsync(AtollClient client, IReadOnlyList<Tried> tried, CancellationToken cancellationToken)
    {
        Step("Predict", "what they have not seen");
        string? image = null;
        var first = true;
        foreach (var model in tried)
        {
            if (!first) _console.WriteLine();
            first = false;
            Line($"[bold]{model.Set.Name}[/][dim]: {model.Set.Question}[/]");
            var unseen = await FindUnseenAsync(client, model, cancellationToken);
            Line(Tally(model, unseen.Count));
            switch (model.Set.Type)
            {
                case DatasetTypes.Tabular:
                    await PredictRowsAsync(client, model, unseen, cancellationToken);
                    break;
                case DatasetTypes.Text:
                    await PredictTextsAsync(client, model, unseen, cancellationToken);
                    break;
                default:
                    image = await PredictImagesAsync(client, model, unseen, cancellationToken);
                    break;
            }
        }
        return image;
    }

    /// <summary>How many of all unseen samples came out right, so that nobody takes the few that are shown for the score.</summary>
    private static string Tally(Tried model, int shown)
    {
        var matrix = model.Report.Evaluation!.ConfusionMatrix!;
        var right = matrix.Select((row, i) => row[i]).Sum();
        var these = model.Set.Type == DatasetTypes.Tabular ? $"the first {shown}" : $"one of each of {shown} labels";
        return $"[dim]{Words.Count(right)} of all {Words.Count(model.Report.Evaluation!.SampleCount)} unseen {Noun(model.Set.Type)} come out right; here are {these}[/]";
    }

    private static async Task<IReadOnlyList<SampleResponse>> FindUnseenAsync(AtollClient client, Tried model, CancellationToken cancellationToken)
    {
        // Nothing is picked because it comes out well: the first rows as they come, in which labels are as common as in all, and of texts
        // and images, where a few could not show the many labels, the first one of labels spread over all there are.
        if (model.Set.Type == DatasetTypes.Tabular)
            return (await client.ListSamplesPageAsync(model.Set.Name, "latest", new SampleFilter(SplitNames.Test), limit: RowsShown, cancellationToken: cancellationToken)).Items;
        var labels = model.Report.Evaluation!.Labels!;
        var count = Math.Min(model.Set.Type == DatasetTypes.Image ? ImagesShown : TextsShown, labels.Count);
        var found = new List<SampleResponse>();
        for (var i = 0; i < count; i++)
        {
            var filter = new SampleFilter(SplitNames.Test, labels[i * labels.Count / count]);
            found.AddRange((await client.ListSamplesPageAsync(model.Set.Name, "latest", filter, limit: 1, cancellationToken: cancellationToken)).Items);
        }
        return found;
    }

    private async Task PredictRowsAsync(AtollClient client, Tried model, IReadOnlyList<SampleResponse> unseen, CancellationToken cancellationToken)
    {
        var columns = model.Version.Signature.Inputs.Select(input => input.Name).ToHashSet();
        var rows = unseen.Select(sample =>
        {
            // Without what the model does not read: the truth, and columns such as the customer's number.
            var row = new JsonObject();
            foreach (var (column, value) in sample.Values!)
                if (columns.Contains(column)) row[column] = value;
            return row;
        }).ToList();
        var answer = await client.PredictAsync(model.Set.Name, new PredictRequest { Rows = rows }, cancellationToken: cancellationToken);
        // A row is too wide to show; these columns say most about a customer.
        string[] shown = ["tenure", "Contract", "InternetService", "MonthlyCharges"];
        var grid = new Grid().Flexible("customer").Text("leaves?").Number("sure").Text("truth");
        foreach (var (sample, row, prediction) in unseen.Zip(rows, answer.Predictions))
        {
            var customer = string.Join(", ", shown.Where(row.ContainsKey).Select(column => column == "tenure" ? $"month {row[column]}" : $"{row[column]}"));
            grid.Row(customer, prediction.Label, Sure(prediction), Judged(prediction.Label, sample.Labels[0]));
        }
        grid.Write(_console, Indent);
    }

    private async Task PredictTextsAsync(AtollClient client, Tried model, IReadOnlyList<SampleResponse> unseen, CancellationToken cancellationToken)
    {
        var answer = await client.PredictTextsAsync(model.Set.Name, [.. unseen.Select(sample => sample.Text!)], cancellationToken: cancellationToken);
        var width = (_console.Profile.Out.IsTerminal ? _console.Profile.Width : 100) - Indent.Length - 2;
        foreach (var (sample, prediction) in unseen.Zip(answer.Predictions))
        {
            Line($"“{Grid.Shorten(sample.Text!.ReplaceLineEndings(" "), width).EscapeMarkup()}”");
            var truth = sample.Labels[0];
            var judged = prediction.Label == truth ? "[green]✓ right[/]" : $"[red]✗ {truth.EscapeMarkup()}[/]";
            Line($"  → {prediction.Label!.EscapeMarkup()} [dim]{Sure(prediction)}[/]  {judged}");
        }
    }

    private async Task<string?> PredictImagesAsync(AtollClient client, Tried model, IReadOnlyList<SampleResponse> unseen, CancellationToken cancellationToken)
    {
        var images = new List<SampleFile>();
        foreach (var sample in unseen)
            images.Add(new SampleFile($"{sample.Labels[0].ToLowerInvariant()}-{sample.Id}.{sample.Image!.Format}", await client.DownloadSampleAsync(model.Set.Name, "latest", sample.Id, cancellationToken)));
        var answer = await client.PredictFilesAsync(model.Set.Name, images, cancellationToken: cancellationToken);

        var pictures = images.Select(image => Pictures.Draw(ImageDecoder.Decode(image.Bytes.Span))).ToList();
        for (var row = 0; row < Pictures.Rows; row++) Line($"[dim]{string.Join(' ', pictures.Select(picture => picture[row])).TrimEnd().EscapeMarkup()}[/]");
        Captions(answer.Predictions.Select(prediction => ($"{prediction.Label}", (string?)null)));
        Captions(answer.Predictions.Select(prediction => ($"{Sure(prediction)}", (string?)"dim")));
        Captions(answer.Predictions.Zip(unseen, (prediction, sample) => prediction.Label == sample.Labels[0] ? ("✓ right", (string?)"green") : ($"✗ {sample.Labels[0]}", "red")));

        var file = Path.Combine(folder.Unseen, images[0].Name);
        await File.WriteAllBytesAsync(file, images[0].Bytes.ToArray(), cancellationToken);
        return file;
    }

    private void Captions(IEnumerable<(string Text, string? Style)> captions)
    {
        var line = string.Concat(captions.Select(caption =>
        {
            var text = Grid.Shorten(caption.Text, Pictures.Columns);
            var styled = caption.Style is null ? text.EscapeMarkup() : $"[{caption.Style}]{text.EscapeMarkup()}[/]";
            return styled + new string(' ', Pictures.Columns + 1 - Grid.Width(text));
        }));
        Line(line.TrimEnd());
    }

    private void ShowPromises(TimeSpan time, long bytes)
    {
        Step("Done");
        Promise(time <= TimePromised, $"in {Words.Duration(time)}", $"promised: less than {TimePromised.TotalMinutes:0} minutes on 2 cores; here are {Environment.ProcessorCount}");
        Promise(
            bytes <= BytesPromised, $"with {bytes / (double)(1 << 20):0} MiB at its peak, server{(MemoryWatch.CountsChildren ? " and trainings" : " alone")}",
            $"promised: less than {BytesPromised >> 20} MiB");

        void Promise(bool kept, string what, string promised) =>
            Line($"{(kept ? "[green]✓[/]" : "[yellow]![/]")} {what} [dim]({promised})[/]");
    }

    private void ShowNextSteps(string address, string key, string? image)
    {
        Step("Your turn", "in another terminal");
        Plain($"export ATOLL_SERVER={address}");
        Plain($"export ATOLL_KEY={key}");
        foreach (var set in sets)
        {
            var (type, body) = set.Type switch
            {
                DatasetTypes.Tabular => ("application/json", """-d '{"rows": [{"tenure": 2, "Contract": "Month-to-month"}]}'"""),
                DatasetTypes.Text => ("application/json", """-d '{"texts": ["I am still waiting for my card"], "top": 3}'"""),
                _ => ("image/png", $"--data-binary @{image}"),
            };
            _console.WriteLine();
            Plain($"curl {address}/api/v1/endpoints/{set.Name}:predict \\");
            Plain($"  -H \"Authorization: Bearer $ATOLL_KEY\" -H 'Content-Type: {type}' \\");
            Plain("  " + body);
        }
        _console.WriteLine();
        Line("[dim]What to try next:[/]");
        foreach (var (line, says) in ((string, string)[])
        [
            ("./atoll models report banking77", "every score and confusion"),
            ("./atoll datasets show telco-churn", "what a dataset holds"),
            ("./atoll datasets create mine my.csv --label price", "your own data"),
            ("./atoll train mine --follow", "your own model"),
            ("./atoll --help", "everything else"),
        ])
            _console.MarkupLine($"{Indent}{line.PadRight(52).EscapeMarkup()}[dim]{says}[/]");
    }

    private void ShowEnd(string key)
    {
        _console.WriteLine();
        if (folder.IsKept) Line($"The server stopped. Everything is kept in {QuickstartFolder.KeptName}; serve it with: ./atoll serve --data {QuickstartFolder.KeptName}/data".EscapeMarkup());
        if (folder.IsKept && !stay) Plain($"export ATOLL_KEY={key}");
        if (!folder.IsKept) Line("The server stopped and its data is removed. To keep it next time: ./atoll quickstart --keep");
    }

    /// <summary>The log outlives a temporary folder, so that a failure can be looked into.</summary>
    private string KeepLog()
    {
        if (folder.IsKept) return folder.Log;
        var kept = Path.Combine(Path.GetTempPath(), Path.GetFileName(folder.Root) + ".log");
        File.Copy(folder.Log, kept, overwrite: true);
        return kept;
    }

    private async Task<T> BarsAsync<T>(Func<ProgressView, Task<T>> work)
    {
        var result = await ProgressView.RunAsync(terminal.ErrorConsole, _nameWidth, work, Indent);
        // Live bars leave a line of space behind them.
        _spaced = terminal.ErrorIsTerminal && terminal.OutIsTerminal;
        return result;
    }

    private void Step(string title, string? says = null)
    {
        if (!_spaced) _console.WriteLine();
        _spaced = false;
        _console.MarkupLine($"[bold blue]{++_step}[/]  [bold]{title.EscapeMarkup()}[/]{(says is null ? "" : $" [dim]{says.EscapeMarkup()}[/]")}");
    }

    private void Line(string markup) => _console.MarkupLine(Indent + markup);

    // Lines to copy are written as they are, whatever the width.
    private void Plain(string text) => terminal.Out.WriteLine(Indent + text);

    private static Grid.Cell Judged(string? predicted, string truth) => predicted == truth ? new Grid.Cell("✓ " + truth, "green") : new Grid.Cell("✗ " + truth, "red");

    private static string Sure(Contracts.Prediction prediction) => prediction.Labels is [var best, ..] ? Words.Percent(best.Probability) : "";

    private static string Noun(string type) => type switch { DatasetTypes.Tabular => "rows", DatasetTypes.Text => "texts", _ => "images" };
}
