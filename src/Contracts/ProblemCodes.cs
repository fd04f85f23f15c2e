namespace Atoll.Contracts;

/// <summary>Codes of problem documents. Texts may change, codes may not.</summary>
public static class ProblemCodes
{
    public const string InvalidField = "invalid-field";
    public const string InvalidBody = "invalid-body";
    public const string Unauthenticated = "unauthenticated";
    public const string PermissionMissing = "permission-missing";
    public const string NotFound = "not-found";
    public const string AlreadyExists = "already-exists";
    public const string LostRace = "lost-race";
    public const string TooLarge = "too-large";
    public const string LimitReached = "limit-reached";
    public const string Busy = "busy";
    public const string TookTooLong = "took-too-long";
    public const string ShuttingDown = "shutting-down";
    public const string InternalError = "internal-error";
    public const string StorageUnavailable = "storage-unavailable";
    public const string AliasReserved = "alias-reserved";
    public const string VersionInUse = "version-in-use";
    public const string DatasetNotReady = "dataset-not-ready";
    public const string SplitMissing = "split-missing";
    public const string ArtifactDamaged = "artifact-damaged";
    public const string ModelNotLoadable = "model-not-loadable";
    public const string ModelOfOtherKind = "model-of-other-kind";
    public const string NotComparable = "not-comparable";
    public const string RunEnded = "run-ended";
    public const string ImportRefused = "import-refused";
    public const string ImportEnded = "import-ended";
    public const string IdempotencyMismatch = "idempotency-mismatch";
    public const string IdempotencyUnsupported = "idempotency-unsupported";
    public const string RequestInProgress = "request-in-progress";
    public const string LastAdministrator = "last-administrator";
    public const string PlatformTenant = "platform-tenant";
    public const string TooManyFailedCredentials = "too-many-failed-credentials";
    public const string MethodNotAllowed = "method-not-allowed";
    public const string UnsupportedMediaType = "unsupported-media-type";
}
