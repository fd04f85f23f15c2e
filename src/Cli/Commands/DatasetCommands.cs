using System.CommandLine;
using System.Globalization;
using System.IO.Compression;
using Atoll.Client;
using Atoll.Contracts;
using Spectre.Console;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll datasets</c>: data that models learn from.</summary>
internal static class DatasetCommands
{
    private const int LabelsShownMax = 20;

    public static Noun Create() =>
        new("datasets", "Upload data to learn from, and see what it holds.", Make(), Add(), List(), Show(), Versions(), Samples(), Sample(), Delete());

    private static Argument<string> DatasetArgument() => new("dataset") { Description = "Name of the dataset." };

    private static Argument<string> VersionArgument() => new("version")
    {
        Description = "Number of the version. Default: latest.",
        Arity = ArgumentArity.ZeroOrOne,
        DefaultValueFactory = _ => "latest",
    };

    /// <summary>Options that say where data is and how to read it.</summary>
    private sealed class Source
    {
        private readonly Argument<string[]> _paths = new("path")
        {
            Description = "Files to upload: csv, jsonl, or a zip of images or sounds; or a folder with a folder of images or sounds for each label.", Arity = ArgumentArity.ZeroOrMore,
        };
        private readonly Option<string[]> _train = new("--train") { Description = "A file or folder to learn from only; may be repeated.", HelpName = "path" };
        private readonly Option<string[]> _validation = new("--validation") { Description = "A file or folder to choose the model by; may be repeated. Default: parts of what is learned from.", HelpName = "path" };
        private readonly Option<string[]> _test = new("--test") { Description = "A file or folder to measure by only; may be repeated.", HelpName = "path" };
        private readonly Option<string?> _url = new("--url") { Description = "Let the server load the file from this address.", HelpName = "url" };
        private readonly Option<string?> _label = new("--label") { Description = "Column that holds the label, the value to learn.", HelpName = "column" };
        private readonly Option<string?> _textColumn = new("--text-column") { Description = "Column that holds the text.", HelpName = "column" };
        private readonly Option<string?> _separator = new("--label-separator") { Description = "What parts several labels of one text. Default: found.", HelpName = "text" };
        private readonly Option<string[]> _columns = new("--column") { Description = "The type of a column, where it should not be inferred; may be repeated.", HelpName = "name=type" };
        private readonly Option<string?> _delimiter = new("--delimiter") { Description = "Delimiter of csv files. Default: found.", HelpName = "character" };
        private readonly Option<bool?> _header = new("--header") { Description = "Whether the first row of csv files names the columns: true or false. Default: found.", HelpName = "true|false" };
        private readonly Option<int?> _seed = new("--seed") { Description = "Seed of the automatic split. Default: 1.", HelpName = "number" };
        private readonly Option<double?> _testFraction = new("--test-fraction") { Description = "Share of the samples that the automatic split keeps for measuring. Default: 0.2.", HelpName = "fraction" };
        private readonly Option<bool> _skipBad = new("--skip-bad") { Description = "Leave bad rows and files out instead of refusing everything." };
        private readonly Option<bool> _noWait = new("--no-wait") { Description = "Return after the upload; the import goes on at the server." };

        public void AddTo(Verb verb)
        {
            verb.Arguments.Add(_paths);
            foreach (var option in (ReadOnlySpan<Option>)[_train, _validation, _test, _url, _label, _textColumn, _separator, _columns, _delimiter, _header, _seed, _testFraction, _skipBad, _noWait])
                verb.Options.Add(option);
        }

        public bool NoWait(CommandContext context) => context.Get(_noWait);

        public (ImportRequest Request, List<DatasetFile> Files) Read(CommandContext context)
        {
            var files = new List<DatasetFile>();
            foreach (var path in context.Get(_paths)) files.Add(Open(path, null));
            foreach (var path in context.Get(_train) ?? []) files.Add(Open(path, SplitNames.Train));
            foreach (var path in context.Get(_validation) ?? []) files.Add(Open(path, SplitNames.Validation));
            foreach (var path in context.Get(_test) ?? []) files.Add(Open(path, SplitNames.Test));
            var url = context.Get(_url);
            if (files.Count == 0 && url is null) throw new UsageException("There is no data: give a file, a folder, --train and --test, or --url.");
            if (files.Count > 0 && url is not null) throw new UsageException("Give files or --url, not both.");
            return (new ImportRequest
            {
                Url = url,
                Label = context.Get(_label),
                TextColumn = context.Get(_textColumn),
                LabelSeparator = context.Get(_separator),
                Columns = TrainCommand.Pairs("--column", context.Get(_columns)),
                Delimiter = context.Get(_delimiter) is "\\t" or "tab" ? "\t" : context.Get(_delimiter),
                Header = context.Get(_header),
                Seed = context.Get(_seed),
                TestFraction = context.Get(_testFraction),
                SkipBad = context.Get(_skipBad),
            }, files);
        }

        /// <summary>What the files look like, when nobody said it.</summary>
        public string GuessType(CommandContext context, IReadOnlyList<DatasetFile> files, string? url)
        {
            var name = files.Count > 0 ? files[0].Name : url ?? "";
            return name.EndsWith(".zip", StringComparison.OrdinalIgnoreCase) ? HoldsSounds(PathsOf(context).FirstOrDefault()) ? DatasetTypes.Audio : DatasetTypes.Image
                : ((string[])[".conll", ".iob", ".bio"]).Any(end => name.EndsWith(end, StringComparison.OrdinalIgnoreCase)) ? DatasetTypes.Entities
                : context.Get(_textColumn) is not null ? DatasetTypes.Text : DatasetTypes.Tabular;
        }

        private IEnumerable<string> PathsOf(CommandContext context) =>
            [.. context.Get(_paths), .. context.Get(_train) ?? [], .. context.Get(_validation) ?? [], .. context.Get(_test) ?? []];

        private static bool HoldsSounds(string? path)
        {
            if (path is null) return false;
            if (Directory.Exists(path)) return Directory.EnumerateFiles(path, "*.wav", new EnumerationOptions { RecurseSubdirectories = true, MatchCasing = MatchCasing.CaseInsensitive }).Any();
            try
            {
                using var zip = ZipFile.OpenRead(path);
                return zip.Entries.Any(entry => entry.Name.EndsWith(".wav", StringComparison.OrdinalIgnoreCase));
            }
            catch (InvalidDataException)
            {
                // The server says what is wrong with it, with the place.
                return false;
            }
        }

        private static DatasetFile Open(string path, string? split)
        {
            if (Directory.Exists(path))
            {
                try
                {
                    return DatasetFile.FromFolder(path, split);
                }
                catch (ArgumentException problem)
                {
                    throw new UsageException(problem.Message.Split(" (Parameter", 2)[0]);
                }
            }
            if (path.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || path.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
                throw new UsageException($"'{path}' is an address; let the server load it with: --url {path}");
            return File.Exists(path) ? DatasetFile.FromFile(path, split) : throw new UsageException($"There is no file or folder '{path}'.");
        }
    }

    private static Verb Make()
    {
        var name = DatasetArgument();
        var type = new Option<string?>("--type") { Description = "What the samples are: tabular, text, image, entities or audio. Default: image for folders and zips, audio where they hold wav files, entities for .conll, .iob and .bio, text with --text-column, otherwise tabular.", HelpName = "type" };
        type.AcceptOnlyFromAmong(DatasetTypes.Tabular, DatasetTypes.Text, DatasetTypes.Image, DatasetTypes.Entities, DatasetTypes.Audio);
        var source = new Source();
        var verb = new Verb(
            "create", "Make a dataset of local files, a folder, or a file at an address.",
            new("atoll datasets create leads leads.csv --label Converted", "A table; a fifth of the rows is kept for measuring"),
            new("atoll datasets create leads --train train.csv --test test.csv --label Converted", "A table that is split already"),
            new("atoll datasets create intents requests.csv --type text --text-column text --label intent", "Texts"),
            new("atoll datasets create shoes ./photos", "Images, in a folder for each label"),
            new("atoll datasets create digits recordings.zip", "Sounds (wav), in a folder for each label"),
            new("atoll datasets create names --train train.conll --test test.conll", "Texts in which names are marked: a word and its tag on each line"),
            new("atoll datasets create leads --url https://example.org/leads.csv --label Converted", "A file that the server loads"))
        {
            Arguments = { name }, Options = { type },
        };
        source.AddTo(verb);
        return verb.Does((context, cancellationToken) =>
        {
            var (request, files) = source.Read(context);
            request = request with { Name = context.Get(name), Type = context.Get(type) ?? source.GuessType(context, files, request.Url) };
            return ImportAsync(
                context, context.Get(name), source.NoWait(context), files,
                progress => files.Count > 0 ? context.Client.CreateDatasetAsync(request, files, progress, cancellationToken) : context.Client.CreateDatasetAsync(request, cancellationToken),
                cancellationToken);
        });
    }

    private static Verb Add()
    {
        var name = DatasetArgument();
        var source = new Source();
        var verb = new Verb(
            "add", "Make the next version of a dataset; it replaces what older versions hold, which stay as they are. Label, text column, types of columns and split are those of the version before, unless given again.",
            new Example("atoll datasets add leads leads-june.csv", "A new state of the leads"))
        {
            Arguments = { name },
        };
        source.AddTo(verb);
        return verb.Does((context, cancellationToken) =>
        {
            var (request, files) = source.Read(context);
            var dataset = context.Get(name);
            return ImportAsync(
                context, dataset, source.NoWait(context), files,
                progress => files.Count > 0
                    ? context.Client.CreateDatasetVersionAsync(dataset, request, files, progress, cancellationToken)
                    : context.Client.CreateDatasetVersionAsync(dataset, request, cancellationToken),
                cancellationToken);
        });
    }

    private static async Task<int> ImportAsync(
        CommandContext context, string name, bool noWait, IReadOnlyList<DatasetFile> files,
        Func<IProgress<TransferProgress>, Task<ImportResponse>> start, CancellationToken cancellationToken)
    {
        var import = await ProgressView.RunAsync(context.Terminal.ErrorConsole, Math.Min(Math.Max(name.Length, 8), 24), async view =>
        {
            var bar = view.Add(name);
            var started = await ImportView.UploadAsync(bar, start);
            var ended = noWait ? started : await ImportView.FollowAsync(bar, context.Client, started, cancellationToken);
            bar.Finish(ended.State == ImportStates.Succeeded ? Words.Plural(ended.Samples ?? 0, "sample") : noWait ? "uploaded" : ended.State);
            return ended;
        });
        var target = import is { State: ImportStates.Succeeded, Type: DatasetTypes.Tabular } && !context.IsJson ? await TargetOptionAsync(context, import, cancellationToken) : "";
        context.Write(import, AtollJson.Default.ImportResponse, console =>
        {
            ImportView.Show(console, import);
            if (import.State == ImportStates.Succeeded)
            {
                console.Hint($"See it:    atoll datasets show {import.Dataset}");
                console.Hint($"Train it:  atoll train {import.Dataset}{target} --follow");
            }
        });
        if (import.State is ImportStates.Succeeded or ImportStates.Queued or ImportStates.Running) return ExitCodes.Done;
        if (import.State == ImportStates.Refused)
        {
            context.Terminal.Error.WriteLine(import.Problems.Any(problem => problem.Fatal == true)
                ? "Nothing was created." : "Nothing was created. Mend the data, or leave the bad part out with --skip-bad.");
        }
        return ExitCodes.Refused;
    }

    /// <summary>What a training of this table must be told: nothing if it names its label, otherwise a column, the last as a guess.</summary>
    private static async Task<string> TargetOptionAsync(CommandContext context, ImportResponse import, CancellationToken cancellationToken)
    {
        var schema = (await context.Client.GetDatasetVersionAsync(import.Dataset, $"{import.Version}", cancellationToken)).Manifest.Schema;
        return schema.LabelColumn is null && schema.Columns.Count > 0 ? $" --target {PredictCommand.Quoted(schema.Columns[^1].Name)}" : "";
    }

    private static Verb List()
    {
        var paging = new Paging();
        return new Verb("list", "List datasets.", new Example("atoll datasets list", "All datasets")) { Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListDatasetsPageAsync(context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageDatasetResponse, console =>
                {
                    if (page.Items.Count == 0)
                    {
                        console.Hint("No datasets. Make one with: atoll datasets create <name> <file>");
                        return;
                    }
                    var grid = new Grid().Flexible("dataset").Text("type").Number("version").Number("samples").Number("size").Text("created");
                    foreach (var dataset in page.Items)
                        grid.Row(
                            dataset.Name, dataset.Type, dataset.LatestVersion == 0 ? new Grid.Cell("none", "dim") : $"{dataset.LatestVersion}",
                            Words.Count(dataset.Samples), Words.Bytes(dataset.Bytes), Words.Ago(dataset.CreatedUtc, context.Terminal.Clock));
                    grid.Write(console);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Show()
    {
        var (name, version) = (DatasetArgument(), VersionArgument());
        return new Verb(
            "show", "Show a version of a dataset: columns, labels, splits, statistics, warnings.",
            new("atoll datasets show leads", "The newest version"),
            new("atoll datasets show leads 2", "Version 2"))
        {
            Arguments = { name, version },
        }.Does(async (context, cancellationToken) =>
        {
            var found = await context.Client.GetDatasetVersionAsync(context.Get(name), context.Get(version), cancellationToken);
            context.Write(found, AtollJson.Default.DatasetVersionResponse, console => Show(console, found, context.Terminal.Clock));
            return ExitCodes.Done;
        });
    }

    private static void Show(IAnsiConsole console, DatasetVersionResponse version, TimeProvider clock)
    {
        var (manifest, statistics) = (version.Manifest, version.Manifest.Statistics);
        new Facts()
            .Add("dataset", $"{version.Dataset} version {version.Version}").Add("type", manifest.Type)
            .Add("samples", Words.Count(statistics.Samples)).Add("splits", string.Join(", ", statistics.Splits.Select(split => $"{split.Split} {Words.Count(split.Count)}")))
            .Add("size", Words.Bytes(statistics.Bytes)).Add("label column", manifest.Schema.LabelColumn).Add("text column", manifest.Schema.TextColumn)
            .Add("several labels", manifest.Schema.MultiLabel ? "yes" : "").Add("repeated", statistics.Duplicates > 0 ? Words.Plural(statistics.Duplicates, "sample") : "")
            .Add("left out", manifest.Skipped > 0 ? Words.Plural(manifest.Skipped, "bad sample") : "")
            .Add("sources", string.Join(", ", manifest.Sources.Select(source => source.Name)))
            .Add("digest", version.Digest).Add("created", $"{version.CreatedUtc:yyyy-MM-dd HH:mm:ss}Z ({Words.Ago(version.CreatedUtc, clock)})")
            .Write(console);
        if (statistics.Labels.Count > 0)
        {
            console.WriteLine();
            var most = statistics.Labels.Max(label => label.Count);
            var grid = new Grid().Flexible("label").Number("samples").Text("");
            foreach (var label in statistics.Labels.OrderByDescending(label => label.Count).Take(LabelsShownMax))
                grid.Row(label.Label, Words.Count(label.Count), new Grid.Cell(new string('█', (int)Math.Max(1, label.Count * 20 / most)), "blue"));
            grid.Write(console);
            if (statistics.Labels.Count > LabelsShownMax) console.WriteLine($"and {Words.Plural(statistics.Labels.Count - LabelsShownMax, "further label")}; all with --output json");
        }
        if (statistics.Columns.Count > 0 && manifest.Type == DatasetTypes.Tabular)
        {
            console.WriteLine();
            var grid = new Grid().Flexible("column").Text("type").Number("missing").Number("distinct").Flexible("values");
            foreach (var column in statistics.Columns)
                grid.Row(column.Name, column.Type, column.Missing == 0 ? "" : Words.Count(column.Missing), Words.Count(column.Distinct), Values(column));
            grid.Write(console);
        }
        ImportView.Problems(console, "warning", manifest.Warnings, manifest.WarningCount);
    }

    private static string Values(ColumnStatistics column) => column.Numbers is { } numbers
        ? $"{Words.Value(numbers.Min)} to {Words.Value(numbers.Max)}, mean {Words.Value(numbers.Mean)}"
        : string.Join(", ", column.TopValues.Take(4).Select(value => value.Value)) + (column.TopValues.Count > 4 ? ", …" : "");

    private static Verb Versions()
    {
        var name = DatasetArgument();
        var paging = new Paging();
        return new Verb("versions", "List the versions of a dataset, newest first.", new Example("atoll datasets versions leads", "All versions")) { Arguments = { name }, Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListDatasetVersionsPageAsync(context.Get(name), context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageDatasetVersionSummary, console =>
                {
                    var grid = new Grid().Number("version").Number("samples").Number("size").Text("created").Flexible("digest");
                    foreach (var version in page.Items)
                        grid.Row($"{version.Version}", Words.Count(version.Samples), Words.Bytes(version.Bytes), Words.Ago(version.CreatedUtc, context.Terminal.Clock), version.Digest);
                    grid.Write(console);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Samples()
    {
        var (name, version) = (DatasetArgument(), VersionArgument());
        var split = new Option<string?>("--split") { Description = "Only samples of this split: train, test or validation.", HelpName = "split" };
        split.AcceptOnlyFromAmong(SplitNames.Train, SplitNames.Test, SplitNames.Validation);
        var label = new Option<string?>("--label") { Description = "Only samples with this label.", HelpName = "label" };
        var paging = new Paging();
        return new Verb(
            "samples", "Page through the samples of a version.",
            new("atoll datasets samples leads --split test --limit 5", "Five rows that no model learns from"),
            new("atoll datasets samples intents --label card_arrival", "Texts of one label"))
        {
            Arguments = { name, version }, Options = { split, label, paging.Limit, paging.After },
        }.Does(async (context, cancellationToken) =>
        {
            var filter = new SampleFilter(context.Get(split), context.Get(label));
            var page = await context.Client.ListSamplesPageAsync(context.Get(name), context.Get(version), filter, context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
            context.Write(page, AtollJson.Default.PageSampleResponse, console =>
            {
                var grid = new Grid().Number("sample").Text("split").Flexible("labels").Flexible("content").Flexible("from");
                foreach (var sample in page.Items)
                    grid.Row($"{sample.Id}", sample.Split, string.Join(", ", sample.Labels), Content(sample), Place(sample.Source));
                grid.Write(console);
                Paging.ShowMore(context, page);
            });
            return ExitCodes.Done;
        });
    }

    private static Verb Sample()
    {
        var name = DatasetArgument();
        var id = new Argument<long>("sample") { Description = "Number of the sample, from 'atoll datasets samples'." };
        var version = new Option<int?>("--version") { Description = "Version of the dataset. Default: the newest.", HelpName = "number" };
        var to = new Option<string?>("--to") { Description = "File to write. Default: standard output.", HelpName = "file" };
        return new Verb("sample", "Download the bytes of a sample: the image or the sound, the text, or the row as csv.", new Example("atoll datasets sample shoes 17 --to shoe.png", "An image"))
        {
            Arguments = { name, id }, Options = { version, to },
        }.Does(async (context, cancellationToken) =>
        {
            var number = context.Get(version)?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "latest";
            var bytes = await context.Client.DownloadSampleAsync(context.Get(name), number, context.Get(id), cancellationToken);
            if (context.Get(to) is { } path)
            {
                await File.WriteAllBytesAsync(path, bytes, cancellationToken);
                context.Terminal.Error.WriteLine($"Wrote {path}, {Words.Bytes(bytes.Length)}.");
                return ExitCodes.Done;
            }
            await using var standard = Console.OpenStandardOutput();
            await standard.WriteAsync(bytes, cancellationToken);
            return ExitCodes.Done;
        });
    }

    private static Verb Delete()
    {
        var name = DatasetArgument();
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        return new Verb("delete", "Delete a dataset with its versions; models that learned from it stay.", new Example("atoll datasets delete leads --yes", "Delete it without being asked")) { Arguments = { name }, Options = { yes } }
            .Does(async (context, cancellationToken) =>
            {
                var dataset = context.Get(name);
                context.Confirm($"Delete dataset {dataset} with all its versions?", context.Get(yes));
                await context.Client.DeleteDatasetAsync(dataset, cancellationToken);
                context.Say($"Deleted dataset {dataset}.");
                return ExitCodes.Done;
            });
    }

    private static string Content(SampleResponse sample) =>
        sample.Text ?? (sample.Image is { } image ? $"{image.Format} {image.Width}x{image.Height}, {Words.Bytes(sample.Bytes)}"
            : sample.Audio is { } sound ? string.Create(CultureInfo.InvariantCulture, $"{sound.Seconds:0.00} s, {sound.Rate} Hz, {(sound.Channels == 1 ? "mono" : sound.Channels == 2 ? "stereo" : $"{sound.Channels} channels")}, {Words.Bytes(sample.Bytes)}")
            : string.Join(" ", (sample.Values ?? new Dictionary<string, string?>()).Where(pair => pair.Value is not null).Select(pair => $"{pair.Key}={pair.Value}")));

    private static string Place(SampleSource source) => source.Entry ?? (source.Line is { } line ? $"{source.File}:{line}" : source.File);
}
