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
        parts.Db.EinsteinModels().Add(model);
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
        if (Read(form, model) is { } invalid) return (EinsteinRefusal)invalid;

        var parameters = new Dictionary<string, string>();
        if (model.Epochs is { } epochs) parameters["epochs"] = epochs.ToString(CultureInfo.InvariantCulture);
        if (model.LearningRate is { } rate && EinsteinTypes.IsVision(model.Type)) parameters["learning-rate"] = rate.ToString(CultureInfo.InvariantCulture);
        var request = new CreateRunRequest
        {
            Dataset = dataset.Row.Dataset,
            DatasetVersion = dataset.Version.Number,
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

    private static Problem? Read(EinsteinForm form, EinsteinModel model)
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
        if (CheckTrainParams(form["trainParams"]) is { } wrong) return wrong;
        (model.Algorithm, model.Epochs, model.LearningRate, model.TrainParams) = (form["algorithm"], epochs, learningRate, form["trainParams"]);
        return null;
    }

    /// <summary>What is asked for there changes which examples are learned from, so nothing of it may be overlooked.</summary>
    private static Problem? CheckTrainParams(string? text)
    {
        if (text is null) return null;
        try
        {
            using var json = JsonDocument.Parse(text);
            if (json.RootElement.ValueKind == JsonValueKind.Null) return null;
            if (json.RootElement.ValueKind != JsonValueKind.Object) return EinsteinProblems.Invalid("The trainParams parameter must be a JSON object.");
            foreach (var member in json.RootElement.EnumerateObject())
            {
                if (member.Value.ValueKind == JsonValueKind.Null || (member.Name == "withFeedback" && member.Value.ToString().Equals("false", StringComparison.OrdinalIgnoreCase))) continue;
                return EinsteinProblems.Invalid($"'{EinsteinProblems.Shorten(member.Name)}' in trainParams is not supported on this server.");
            }
            return null;
        }
        catch (JsonException)
        {
            return EinsteinProblems.Invalid("The trainParams parameter is not valid JSON.");
        }
    }
}
