using System.Globalization;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Http;
using Atoll.Training;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.Einstein;

/// <summary>Trains a model, or trains one again under the same id.</summary>
/// <remarks>Nothing is promoted: an endpoint serves the newest version until somebody promotes one, which is what clients of this API expect.</remarks>
internal static class TrainModel
{
    private const int NameCharsMax = 180;
    private const int EpochsMax = 1000;
    private const double LearningRateMin = 0.0001;
    private const double LearningRateMax = 0.01;

    private static readonly string[] TextAlgorithms = ["intent", "multilingual-intent"];

    public static async Task<Results<Ok<EinsteinTrainingResponse>, EinsteinRefusal>> HandleAsync(
        [AsParameters] CreateImport.Parts parts, IOptions<TrainingOptions> options, ILogger<Run> logger, CancellationToken cancellationToken)
    {
        var (form, unreadable) = await EinsteinForm.ReadAsync(parts.Request, null, 0, null, parts.Caller.TenantId, cancellationToken);
        if (form is null) return (EinsteinRefusal)unreadable!;
        if (form["name"] is not { } name) return (EinsteinRefusal)EinsteinProblems.Missing("name", "train");
        if (name.Length > NameCharsMax) return (EinsteinRefusal)EinsteinProblems.NameTooLong(NameCharsMax);
        if (form["datasetId"] is not { } datasetId) return (EinsteinRefusal)EinsteinProblems.Missing("datasetId", "train");
        if (await DescribeDataset.FindAsync(datasetId, parts.Db, parts.Blobs, cancellationToken) is not { } dataset) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);

        var model = new EinsteinModel
        {
            Id = EinsteinText.NewId(),
            DatasetNumber = dataset.Row.Number,
            Name = name,
            Type = dataset.Row.Type,
            Language = dataset.Row.Language,
            CreatedUtc = parts.Clock.GetUtcNow().UtcDateTime,
        };
        return await RunAsync(model, dataset, form, parts, options, logger, cancellationToken);
    }

    public static async Task<Results<Ok<EinsteinTrainingResponse>, EinsteinRefusal>> HandleAgainAsync(
        [AsParameters] CreateImport.Parts parts, IOptions<TrainingOptions> options, ILogger<Run> logger, CancellationToken cancellationToken)
    {
        var (form, unreadable) = await EinsteinForm.ReadAsync(parts.Request, null, 0, null, parts.Caller.TenantId, cancellationToken);
        if (form is null) return (EinsteinRefusal)unreadable!;
        if (form["modelId"] is not { } modelId) return (EinsteinRefusal)EinsteinProblems.Missing("modelId", "retrain");
        if (await parts.Db.EinsteinModels().SingleOrDefaultAsync(row => row.Id == modelId, cancellationToken) is not { } model) return (EinsteinRefusal)EinsteinProblems.NotFound("model", modelId);
        if (await DescribeDataset.FindAsync($"{model.DatasetNumber}", parts.Db, parts.Blobs, cancellationToken) is not { } dataset)
            return (EinsteinRefusal)EinsteinProblems.Invalid("The dataset of the model was deleted.");
        return await RunAsync(model, dataset, form, parts, options, logger, cancellationToken);
    }

    /// <summary>Puts the training in line; the model's row is saved together with it.</summary>
    private static async Task<Results<Ok<EinsteinTrainingResponse>, EinsteinRefusal>> RunAsync(
        EinsteinModel model, KnownDataset dataset, EinsteinForm form, CreateImport.Parts parts, IOptions<TrainingOptions> options, ILogger<Run> logger, CancellationToken cancellationToken)
    {
        if (dataset.IsBusy || dataset.Version is null) return (EinsteinRefusal)EinsteinProblems.DatasetNotReady();
        if (await DeleteDataset.IsTrainingAsync(dataset.Row, parts.Db, cancellationToken)) return (EinsteinRefusal)EinsteinProblems.DatasetTraining();
        var (choices, invalid) = Read(form, model);
        if (choices is null) return (EinsteinRefusal)invalid!;
        var (version, unfit) = await VersionOfAsync(dataset, choices, parts, cancellationToken);
        if (version is null) return (EinsteinRefusal)unfit!;

        if (parts.Db.Entry(model).State == EntityState.Detached) parts.Db.EinsteinModels().Add(model);
        (model.Algorithm, model.Epochs, model.LearningRate, model.TrainParams) = (form["algorithm"], choices.Epochs, choices.LearningRate, form["trainParams"]);
        var parameters = new Dictionary<string, string>();
        if (model.Epochs is { } epochs) parameters["epochs"] = epochs.ToString(CultureInfo.InvariantCulture);
        if (model.LearningRate is { } rate && EinsteinTypes.IsVision(model.Type)) parameters["learning-rate"] = rate.ToString(CultureInfo.InvariantCulture);
        var request = new CreateRunRequest
        {
            Dataset = dataset.Row.Dataset,
            DatasetVersion = version.Number,
            Model = EinsteinModel.ModelOf(model.Id),
            Experiment = "einstein",
            Parameters = parameters,
        };
        var answer = await CreateRun.HandleAsync(
            request, parts.Caller, parts.Response, parts.Db, parts.Blobs, parts.Jobs, parts.Limits, options, parts.Clock, logger, cancellationToken);
        return answer.Result is ProblemHttpResult refused
            ? (EinsteinRefusal)refused
            : TypedResults.Ok(await DescribeModel.TrainingOfAsync(model, parts.Db, parts.Blobs, cancellationToken));
    }

    /// <summary>The version to learn from: what was uploaded, or one that is made for this training, with single examples and another share for the test.</summary>
    private static async Task<Outcome<DatasetVersion>> VersionOfAsync(KnownDataset dataset, Choices choices, CreateImport.Parts parts, CancellationToken cancellationToken)
    {
        var row = dataset.Row;
        var examples = await parts.Db.EinsteinExamples().AsNoTracking().Where(example => example.DatasetNumber == row.Number && (choices.WithFeedback || !example.IsFeedback))
            .OrderBy(example => example.Number).ToListAsync(cancellationToken);
        var fraction = choices.TestFraction ?? EinsteinTypes.TestFractionOf(row.Type);
        if (examples.Count == 0 && fraction == EinsteinTypes.TestFractionOf(row.Type)) return dataset.Version!;

        var file = await DatasetSamples.StoreAsync(dataset, examples, parts.Blobs, cancellationToken);
        var upload = new UploadForm(EinsteinTypes.ImportOf(row.Type, file.Name, null) with { TestFraction = fraction }, [file]);
        var (import, refused) = await CreateImport.RunAsync(
            parts, upload, row.Dataset, dataset.Version!.DatasetId, EinsteinTypes.PlatformTypeOf(row.Type), wait: true, null, cancellationToken);
        if (import is null) return refused!;
        if (!import.IsEnded) return EinsteinProblems.PreparationTakesLong();
        if (import.State != ImportStates.Succeeded) return EinsteinProblems.Invalid(import.Error ?? "The examples cannot be used.");
        return (await parts.Db.FindDatasetVersionAsync(row.Dataset, $"{import.Version}", cancellationToken)).Version ?? (Outcome<DatasetVersion>)EinsteinProblems.NotFound("dataset", $"{row.Number}");
    }

    /// <summary>What was asked for beyond the dataset; null is up to the trainer.</summary>
    private sealed record Choices(int? Epochs, double? LearningRate, bool WithFeedback, double? TestFraction);

    private static Outcome<Choices> Read(EinsteinForm form, EinsteinModel model)
    {
        var isVision = EinsteinTypes.IsVision(model.Type);
        if (form["algorithm"] is { } algorithm && (isVision || !TextAlgorithms.Contains(algorithm)))
        {
            return EinsteinProblems.Invalid($"The algorithm '{EinsteinProblems.Shorten(algorithm)}' is not supported for datasets of the type {model.Type}."
                + (isVision ? "" : $" Supported are {string.Join(", ", TextAlgorithms)}."));
        }
        int? epochs = null;
        if (form["epochs"] is { } epochsText)
        {
            if (!int.TryParse(epochsText, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count is < 1 or > EpochsMax) return EinsteinProblems.Invalid($"The epochs parameter must be a number from 1 to {EpochsMax}.");
            epochs = count;
        }
        double? learningRate = null;
        if (form["learningRate"] is { } rateText)
        {
            if (!double.TryParse(rateText, NumberStyles.Float, CultureInfo.InvariantCulture, out var rate) || rate is not (>= LearningRateMin and <= LearningRateMax))
                return EinsteinProblems.Invalid("The learningRate parameter must be a number from 0.0001 to 0.01.");
            learningRate = rate;
        }
        var (choices, wrong) = ReadTrainParams(form["trainParams"]);
        return choices is null ? wrong! : choices with { Epochs = epochs, LearningRate = learningRate };
    }

    /// <summary>What is asked for there changes which examples are learned from, so nothing of it may be overlooked.</summary>
    private static Outcome<Choices> ReadTrainParams(string? text)
    {
        var choices = new Choices(null, null, false, null);
        if (text is null) return choices;
        try
        {
            using var json = JsonDocument.Parse(text);
            if (json.RootElement.ValueKind == JsonValueKind.Null) return choices;
            if (json.RootElement.ValueKind != JsonValueKind.Object) return EinsteinProblems.Invalid("The trainParams parameter must be a JSON object.");
            foreach (var member in json.RootElement.EnumerateObject())
            {
                // Numbers and words may be quoted.
                var value = member.Value.ToString();
                if (value.Length == 0) continue;
                switch (member.Name)
                {
                    case "withFeedback" when bool.TryParse(value, out var with):
                        choices = choices with { WithFeedback = with };
                        break;

                    case "trainSplitRatio" when double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var ratio) && ratio is >= 0.1 and < 1:
                        choices = choices with { TestFraction = Math.Round(1 - ratio, 6) };
                        break;

                    case "trainSplitRatio":
                        return EinsteinProblems.Invalid("The trainSplitRatio must be a number from 0.1 to below 1.");

                    default:
                        return EinsteinProblems.Invalid($"'{EinsteinProblems.Shorten(member.Name)}' in trainParams is not supported on this server, or its value cannot be used.");
                }
            }
            return choices;
        }
        catch (JsonException)
        {
            return EinsteinProblems.Invalid("The trainParams parameter is not valid JSON.");
        }
    }
}
