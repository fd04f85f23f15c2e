using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Microsoft.Extensions.Options;

namespace Atoll.Einstein;

/// <summary>The Einstein Vision and Language API, for clients that speak it: a translation to the other modules, with ids of its own.</summary>
internal static class EinsteinModule
{
    private static readonly (string Name, string Meaning, string Example) ModelId = ("modelId", "Id of the model.", "7JXCXTRXTMNLJCEF2DR5CJ46QU");

    private static readonly (string Name, string Meaning, string Example)[] UploadFields =
    [
        ("type", "image, text-intent, text-sentiment or text-multi-label.", "text-intent"),
        ("data", "The file: a zip with one folder of images per label; csv, tsv or json of texts. Without it 'path'.", "<bytes>"),
        ("path", "Address of the file.", ""),
        ("name", "Name of the dataset; that of the file without it.", "weather"),
        ("language", "Language of the texts.", ""),
    ];

    private static readonly (string Name, string Meaning, string Example)[] TrainFields =
    [
        ("epochs", "Most passes over the examples, 1 to 1000.", ""),
        ("learningRate", "For images, 0.0001 to 0.01.", ""),
        ("algorithm", "For texts intent or multilingual-intent.", ""),
        ("trainParams", "A JSON object.", ""),
    ];

    public static void AddEinstein(this IServiceCollection services)
    {
        services.AddSingleton<IBlobReferences, EinsteinTables.BlobReferences>();
        services.AddSingleton<PredictionQuota>();
        services.AddSingleton<ITenantMemory>(provider => provider.GetRequiredService<PredictionQuota>());
    }

    public static void MapEinstein(this IEndpointRouteBuilder app)
    {
        Map(app, "/v2/vision", EinsteinKind.Vision, isAlias: false);
        Map(app, "/v2/language", EinsteinKind.Language, isAlias: false);

        // Older clients; they know images only.
        Map(app, "/v1/vision", EinsteinKind.Vision, isAlias: true);

        const string OwnUsage = "tells the caller what its own tenant used";
        app.MapGet("/v2/apiusage", PredictionQuota.HandleAsync).ForCallers(OwnUsage).WithTags("Einstein").WithName("einsteinGetUsage").WithSummary("Predictions of this month: used, and left.");
        app.MapGet("/v1/apiusage", PredictionQuota.HandleAsync).ForCallers(OwnUsage).ExcludeFromDescription();
    }

    private static void Map(IEndpointRouteBuilder app, string prefix, EinsteinKind kind, bool isAlias)
    {
        var limit = new UploadLimit(app.ServiceProvider.GetRequiredService<IOptions<AtollOptions>>().Value.UploadBytesMax);
        var tag = kind == EinsteinKind.Vision ? "Vision" : "Language";
        var group = app.MapGroup(prefix).WithTags($"Einstein {tag}").WithMetadata(kind).DisableAntiforgery();

        // Aliases, and what only some clients ask for, have no place in the document.
        RouteHandlerBuilder Describe(RouteHandlerBuilder route, string? name, string? summary) =>
            isAlias || name is null ? route.ExcludeFromDescription() : route.Produces<EinsteinErrorResponse>(404).WithName($"einstein{tag}{name}").WithSummary(summary!);

        Describe(group.MapGet("/datasets", DescribeDataset.HandleListAsync).Needs(Permissions.DatasetsRead), "ListDatasets", "Datasets by id.");
        Describe(group.MapPost("/datasets/upload", UploadDataset.HandleAsync).Needs(Permissions.DatasetsWrite).WithMetadata(limit).WithForm(UploadFields),
            "UploadDataset", "Make a dataset of a file; the answer comes before it is read.");
        Describe(group.MapPost("/datasets/upload/sync", UploadDataset.HandleSyncAsync).Needs(Permissions.DatasetsWrite).WithMetadata(limit).WithForm(UploadFields),
            "UploadDatasetSync", "Make a dataset of a file; the answer comes when it is ready.");
        Describe(group.MapPut("/datasets/{datasetId}/upload", UploadDataset.HandleUpdateAsync).Needs(Permissions.DatasetsWrite).WithMetadata(limit).WithForm(UploadFields[1], UploadFields[2]),
            "UpdateDataset", "Add a file to a dataset.");
        Describe(group.MapGet("/datasets/{datasetId}", DescribeDataset.HandleAsync).Needs(Permissions.DatasetsRead), "GetDataset", "A dataset with its labels.");
        Describe(group.MapDelete("/datasets/{datasetId}", DeleteDataset.HandleAsync).Needs(Permissions.DatasetsWrite), "DeleteDataset", "Delete a dataset; its models stay.");
        Describe(group.MapGet("/datasets/{datasetId}/labels", ListExamples.HandleLabelsAsync).Needs(Permissions.DatasetsRead), null, null);
        Describe(group.MapGet("/datasets/{datasetId}/labels/{labelId}", ListExamples.HandleLabelAsync).Needs(Permissions.DatasetsRead), null, null);
        Describe(group.MapGet("/datasets/{datasetId}/examples", ListExamples.HandleAsync).Needs(Permissions.DatasetsRead), "ListExamples", "Examples of a dataset.");
        Describe(group.MapGet("/datasets/{datasetId}/examples/{exampleId}/content", ListExamples.HandleContentAsync).Needs(Permissions.DatasetsRead), null, null);
        Describe(group.MapGet("/datasets/{datasetId}/models", DescribeModel.HandleListAsync).Needs(Permissions.ModelsRead), "ListModels", "Models of a dataset.");
        Describe(group.MapGet("/examples", ListExamples.HandleOfLabelAsync).Needs(Permissions.DatasetsRead), "ListLabelExamples", "Examples of a label.");
        Describe(group.MapGet("/examples/{datasetId}/label/{labelId}", ListExamples.HandleOfDatasetLabelAsync).Needs(Permissions.DatasetsRead), null, null);
        Describe(group.MapGet("/deletion/{deletionId}", DeleteDataset.HandleStatusAsync).Needs(Permissions.DatasetsRead), "GetDeletion", "Where a deletion stands.");
        Describe(group.MapGet("/datasets/deletion/{deletionId}", DeleteDataset.HandleStatusAsync).Needs(Permissions.DatasetsRead), null, null);

        Describe(group.MapPost("/train", TrainModel.HandleAsync).Needs(Permissions.RunsWrite)
            .WithForm([("name", "Name of the model.", "Weather"), ("datasetId", "Id of the dataset.", "1000001"), .. TrainFields]), "Train", "Train a model.");
        Describe(group.MapGet("/train/{modelId}", DescribeModel.HandleTrainingAsync).Needs(Permissions.RunsRead), "GetTraining", "Where a training stands.");
        Describe(group.MapPost("/retrain", TrainModel.HandleAgainAsync).Needs(Permissions.RunsWrite).WithForm([ModelId, .. TrainFields]), "Retrain", "Train a model again under its id.");
        Describe(group.MapGet("/models/{modelId}", DescribeModel.HandleMetricsAsync).Needs(Permissions.ModelsRead), "GetModelMetrics", "How good a model is.");
        Describe(group.MapGet("/models/{modelId}/lc", DescribeModel.HandleCurveAsync).Needs(Permissions.ModelsRead), "GetLearningCurve", "How the training of a model went, epoch by epoch.");
        Describe(group.MapDelete("/models/{modelId}", DescribeModel.HandleDeleteAsync).Needs(Permissions.ModelsWrite), "DeleteModel", "Delete a model.");

        Describe(group.MapPost("/feedback", AddExample.HandleFeedbackAsync).Needs(Permissions.DatasetsWrite).WithForm(
                ModelId, ("expectedLabel", "What the model should have said.", "current-weather"), ("document", "The text.", "Will it rain tomorrow?"), ("data", "Or the image.", ""), ("name", "Name of the image.", "")),
            "AddFeedback", "Say what a model should have said.");
        if (kind == EinsteinKind.Vision)
        {
            Describe(group.MapPost("/datasets/{datasetId}/examples", AddExample.HandleAsync).Needs(Permissions.DatasetsWrite)
                .WithForm(("name", "Name of the example.", "beach.jpg"), ("labelId", "Id of its label.", "10000010001"), ("data", "The image.", "<bytes>")), "AddExample", "Add an image to a dataset.");
            Describe(Predicts(group.MapPost("/predict", PredictLabels.HandleImageAsync)).WithForm(
                    ModelId, ("sampleContent", "The image; or one of the next two.", "<bytes>"), ("sampleLocation", "Address of the image.", ""), ("sampleBase64Content", "The image in base64.", ""),
                    ("numResults", "How many labels; 5 without it.", "3"), ("sampleId", "Comes back in the answer.", "")),
                "Predict", "The labels of an image, best first.");
            return;
        }
        foreach (var (path, name) in (ReadOnlySpan<(string, string)>)[("/intent", "PredictIntent"), ("/sentiment", "PredictSentiment")])
        {
            Describe(Predicts(group.MapPost(path, PredictLabels.HandleTextAsync)).WithForm(
                    ModelId, ("document", "The text.", "Will it rain tomorrow?"), ("numResults", "How many labels; all without it.", "3"), ("sampleId", "Comes back in the answer.", "")),
                name, "The labels of a text, best first.");
        }
    }

    private static RouteHandlerBuilder Predicts(RouteHandlerBuilder route) => route.Needs(Permissions.Predict).WithMetadata(new RunsModel());
}
